#pragma once

#include <cstddef>
#include <span>

#include "spread.hpp"
#include "step_view.hpp"

namespace zoft::inline ZOFT_ISA {

/// A direction of its own for each of a batch's B examples, in the forwards of one direction:
///
///     δᵦ = Lᵦ(θ + εzᵦ) − Lᵦ(θ − εzᵦ)    cᵦ = δᵦ / (σ + s) / 2εB    σ² = Σ (δᵦ − δ̄)²/B        2 forwards of the batch
///
/// where Lᵦ is the loss of example b alone. Candidates i and B + i are for example i only: 2B losses, each of one
/// example, come to two forwards of the batch, which is what a report counts. Without the division it is two_point with
/// 1/B of each example's gradient; with it, ĝ has its direction on average, and a length that does not depend on the
/// losses' scale. Tan et al. 2026, arXiv:2606.02857 (GRZO, with flipout directions).
struct per_example {
  double epsilon = 1e-3;       ///< smoothing radius ε > 0, in units of the parameters
  std::size_t queries = 16;    ///< examples of a batch, B ≥ 2
  zoft::schedule radius = {};  ///< ε over the run
  double stabiliser = 1e-8;    ///< s > 0, in units of the loss

  void check() const {
    estimation::check("per_example", epsilon, radius);
    estimation::check("per_example", queries, 2);
    require(stabiliser > 0 && stabiliser < 1e300, "per_example", "stabiliser", stabiliser, "above 0");
  }

  std::size_t evaluations() const { return 2 * queries; }
  std::size_t forwards() const { return 2; }

  /// The first B points are θ + εzᵦ, the last B are θ − εzᵦ.
  point at(std::size_t i, const step_view& view = {}) const {
    return estimation::antithetic(i, queries, estimation::radius(*this, view));
  }

  /// losses (2B) in the order of the points -> coefficients (B)
  void coefficients(const step_view& view, std::span<double> c) const {
    for (std::size_t i = 0; i < queries; ++i) c[i] = view.losses[i] - view.losses[queries + i];
    const double unit = estimation::spread(c).of_population() + stabiliser;
    const double width = 2 * estimation::radius(*this, view) * static_cast<double>(queries);
    for (double& value : c) value = value / unit / width;
  }
};

}  // namespace zoft::inline ZOFT_ISA
