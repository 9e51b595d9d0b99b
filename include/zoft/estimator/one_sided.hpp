#pragma once

#include <cstddef>
#include <span>

#include "../engine/estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA {

/// Forward differences along q random directions from one common base:
///
///     cᵢ = (L(θ + εzᵢ) − L(θ)) / εq        ĝ = Σ cᵢzᵢ        q + 1 forwards
///
/// For q > 1 it is cheaper per direction than two_point, but each coefficient has an error of order ε instead of ε².
/// Nesterov and Spokoiny 2017, "Random gradient-free minimization of convex functions", eq. 30.
struct one_sided {
  double epsilon = 1e-3;       ///< smoothing radius ε > 0, in units of the parameters
  std::size_t queries = 1;     ///< directions a step, q ≥ 1
  zoft::schedule radius = {};  ///< ε over the run

  void check() const {
    estimation::check("one_sided", epsilon, radius);
    estimation::check("one_sided", queries);
  }

  std::size_t evaluations() const { return queries + 1; }

  /// θ first, then θ + εzᵢ.
  point at(std::size_t i, const step_view& view = {}) const {
    return i == 0 ? point{} : point{i - 1, estimation::radius(*this, view)};
  }

  /// losses (q + 1) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    const double width = estimation::radius(*this, view) * static_cast<double>(queries);
    for (std::size_t i = 0; i < queries; ++i) c[i] = (view.losses[i + 1] - view.losses[0]) / width;
  }
};

}  // namespace zoft::inline ZOFT_ISA
