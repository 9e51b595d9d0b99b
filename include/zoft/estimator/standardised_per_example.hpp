#pragma once

#include <cstddef>
#include <span>

#include "normalised.hpp"
#include "per_example.hpp"

namespace zoft::inline ZOFT_ISA {

/// per_example with one direction per example, divided by the spread of the examples' differences and by 2ε:
///
///     δᵦ = Lᵦ(θ + εzᵦ) − Lᵦ(θ − εzᵦ)    cᵦ = δᵦ / (σ + s) / 2εB    σ² = Σ (δᵦ − δ̄)²/B        2 forwards of the batch
///
/// On average ĝ has the gradient's direction. Its length does not depend on the losses' scale. Tan et al. 2026,
/// arXiv:2606.02857 (GRZO, with flipout directions).
struct standardised_per_example {
  double epsilon = 1e-3;       ///< smoothing radius ε > 0, in units of the parameters
  std::size_t queries = 16;    ///< examples per batch, B ≥ 2
  zoft::schedule radius = {};  ///< ε over the run
  double stabiliser = 1e-8;    ///< s > 0, in units of the loss

  void check() const {
    estimation::check("standardised_per_example", epsilon, radius);
    estimation::check("standardised_per_example", queries, 2);
    require(stabiliser > 0 && stabiliser < 1e300, "standardised_per_example", "stabiliser", stabiliser, "above 0");
  }

  std::size_t evaluations() const { return plain().evaluations(); }
  std::size_t forwards() const { return plain().forwards(); }
  std::size_t batch_size() const { return queries; }

  /// The first B points are θ + εzᵦ, the last B are θ − εzᵦ.
  point at(std::size_t i, const step_view& view = {}) const { return plain().at(i, view); }

  /// losses (2B) in the order of the points -> coefficients (B)
  void coefficients(const step_view& view, std::span<double> c) const {
    const double width = 2 * estimation::radius(*this, view);
    normalised<per_example<>>{.of = plain(), .stabiliser = stabiliser / width}.coefficients(view, c);
    for (double& value : c) value /= width;
  }

 private:
  per_example<> plain() const { return {.each = {.epsilon = epsilon, .radius = radius}, .examples = queries}; }
};

}  // namespace zoft::inline ZOFT_ISA
