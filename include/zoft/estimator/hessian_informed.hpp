#pragma once

#include <cstddef>
#include <span>

#include "../engine/estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA {

/// Central differences along q random directions, and curvatures from one more forward:
///
///     cᵢ = (l₊ − l₋) / 2εq    κᵢ = (l₊ − 2l₀ + l₋) / ε²        l₀ = L(θ), l± = L(θ ± εzᵢ)        2q + 1 forwards
///
/// κ estimates zᵀ∇²L z, exactly for quadratics. It serves samplers that learn from it: see preconditioned. The
/// coefficients are two_point's. Zhao et al. 2024, arXiv:2402.15173 (HiZOO, with q = 1).
struct hessian_informed {
  double epsilon = 1e-3;       ///< smoothing radius ε > 0, in units of z
  std::size_t queries = 1;     ///< directions a step, q ≥ 1
  zoft::schedule radius = {};  ///< ε over the run

  void check() const {
    estimation::check("hessian_informed", epsilon, radius);
    estimation::check("hessian_informed", queries);
  }

  std::size_t evaluations() const { return 2 * queries + 1; }

  /// θ first, then θ + εzᵢ, then θ − εzᵢ.
  point at(std::size_t i, const step_view& view = {}) const {
    return i == 0 ? point{} : estimation::antithetic(i - 1, queries, estimation::radius(*this, view));
  }

  /// losses (2q + 1) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    const double width = 2 * estimation::radius(*this, view) * static_cast<double>(queries);
    for (std::size_t i = 0; i < queries; ++i) c[i] = (view.losses[1 + i] - view.losses[1 + queries + i]) / width;
  }

  /// losses (2q + 1) in the order of the points -> curvatures (q), of either sign
  void curvatures(const step_view& view, std::span<double> k) const {
    const double epsilon_now = estimation::radius(*this, view), base = view.losses[0];
    for (std::size_t i = 0; i < queries; ++i) {
      const double up = view.losses[1 + i] - base, down = view.losses[1 + queries + i] - base;
      k[i] = (up + down) / epsilon_now / epsilon_now;
    }
  }
};

}  // namespace zoft::inline ZOFT_ISA
