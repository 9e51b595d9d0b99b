#pragma once

#include <cstddef>
#include <span>

#include "../engine/estimation/estimation.hpp"
#include "../random/stream.hpp"

namespace zoft::inline ZOFT_ISA {

/// Central differences at random radii, weighted so that their error of order ε² cancels:
///
///     cᵢ = (L(θ + εrᵢzᵢ) − L(θ − εrᵢzᵢ)) / 2εq · K(rᵢ)        rᵢ ~ U[−1, 1]        2q forwards
///     K(r) = C · (15/4)·r·(5 − 7r²)
///
/// Along z the difference divided by 2ε is r·s₁ + ε²r³·s₃/6 + ε⁴r⁵·s₅/120 + …, where s₁, s₃, … are the loss's odd
/// derivatives. With C = 1 and E r² = 1/3, E r⁴ = 1/5, E r⁶ = 1/7, E r⁸ = 1/9:
///
///     E rK = (15/4)(5/3 − 7/5) = 1      E r³K = (15/4)(5/5 − 7/7) = 0      E r⁵K = (15/4)(5/7 − 7/9) = −5/21
///
/// So the slope stays, the third derivative cancels, and the leading error is −ε⁴s₅/504. The price is variance:
/// E (rK)² = (225/16)(25/5 − 70/7 + 49/9) = 25/4, where two_point has 1. Mi et al. 2025, arXiv:2505.18886 (KerZOO).
struct kernel {
  double epsilon = 1e-3;       ///< largest radius ε > 0, in units of the parameters
  std::size_t queries = 1;     ///< directions a step, q ≥ 1
  zoft::schedule radius = {};  ///< ε over the run
  double scale = 1;            ///< C > 0, which multiplies ĝ

  void check() const {
    estimation::check("kernel", epsilon, radius);
    estimation::check("kernel", queries);
    require(scale > 0 && scale < 1e300, "kernel", "scale", scale, "above 0");
  }

  std::size_t evaluations() const { return 2 * queries; }

  /// r of a direction: (2k + 1)·2⁻³² − 1, where k is the first word of its stream. r is never 0.
  static double drawn_radius(direction d) {
    return (2.0 * random::word(d, random::stream::radius, 0) + 1) * 0x1p-32 - 1;
  }

  /// K(r) / C
  static double weight(double r) { return 3.75 * r * simd::multiply_add(-7 * r, r, 5.0); }

  /// The first q points are θ + εrᵢzᵢ, the last q are θ − εrᵢzᵢ.
  point at(std::size_t i, const step_view& view) const {
    const double r = drawn_radius(of_query(view, i % queries));
    return estimation::antithetic(i, queries, estimation::radius(*this, view) * r);
  }

  /// losses (2q) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    const double width = 2 * estimation::radius(*this, view) * static_cast<double>(queries);
    for (std::size_t i = 0; i < queries; ++i)
      c[i] = (view.losses[i] - view.losses[queries + i]) / width * (scale * weight(drawn_radius(of_query(view, i))));
  }

 private:
  static direction of_query(const step_view& view, std::size_t query) {
    return {view.name.seed, view.name.step, static_cast<std::uint32_t>(query)};
  }
};

}  // namespace zoft::inline ZOFT_ISA
