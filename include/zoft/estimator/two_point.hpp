#pragma once

#include <cstddef>
#include <span>

#include "../engine/estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA {

/// Central differences along q random directions:
///
///     cᵢ = (L(θ + εzᵢ) − L(θ − εzᵢ)) / 2εq        ĝ = Σ cᵢzᵢ        2q forwards
///
/// Its expectation is the gradient of the smoothed loss E L(θ + εz), which for quadratics is the gradient itself. Its
/// variance falls as 1/q. With q = 1 this is SPSA (Spall 1992) and MeZO (Malladi et al. 2023, arXiv:2305.17333). With
/// all 2q points evaluated at once it is P-RGE (Gao et al. 2024, arXiv:2409.15520).
struct two_point {
  double epsilon = 1e-3;       ///< smoothing radius ε > 0, in units of the parameters
  std::size_t queries = 1;     ///< directions a step, q ≥ 1
  zoft::schedule radius = {};  ///< ε over the run

  void check() const {
    estimation::check("two_point", epsilon, radius);
    estimation::check("two_point", queries);
  }

  std::size_t evaluations() const { return 2 * queries; }

  /// The first q points are θ + εzᵢ, the last q are θ − εzᵢ.
  point at(std::size_t i, const step_view& view = {}) const {
    return estimation::antithetic(i, queries, estimation::radius(*this, view));
  }

  /// losses (2q) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    const double width = 2 * estimation::radius(*this, view) * static_cast<double>(queries);
    for (std::size_t i = 0; i < queries; ++i) c[i] = (view.losses[i] - view.losses[queries + i]) / width;
  }
};

}  // namespace zoft::inline ZOFT_ISA
