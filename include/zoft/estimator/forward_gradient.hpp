#pragma once

#include <cstddef>
#include <span>

#include "../concepts.hpp"
#include "../core/dual.hpp"
#include "../engine/estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA {

/// Exact slopes along q random directions, by forward-mode differentiation:
///
///     cᵢ = ∇L·zᵢ / q        ĝ = Σ cᵢzᵢ        q forwards in dual numbers
///
/// Unbiased for any z with E zzᵀ = I. There is no ε, and so no error from it. The functor takes
/// std::span<const dual<T>>, T float or double, and returns its loss as a dual number. The span is a separate buffer of
/// 2n numbers of T. Baydin et al. 2022, arXiv:2202.08587.
///
/// Slopes may also come from elsewhere, such as another program's Jacobian-vector products: ask hands out q copies of
/// θ, and tell takes the slopes in place of losses.
struct forward_gradient {
  std::size_t queries = 1;  ///< directions a step, q ≥ 1

  /// The type of the functor's numbers.
  template <class T>
  using argument = dual<T>;

  void check() const { estimation::check("forward_gradient", queries); }

  std::size_t evaluations() const { return queries; }

  /// θ itself. The engine sets zᵢ as its derivative.
  point at(std::size_t i) const { return {i, 0.0}; }

  /// slopes (q) -> coefficients (q)
  void coefficients(std::span<const double> slopes, std::span<double> c) const {
    for (std::size_t i = 0; i < queries; ++i) c[i] = slopes[i] / static_cast<double>(queries);
  }

  template <class, class, class Adapter, class>
  static constexpr void compose() {
    static_assert(borrowing_adapter<Adapter>,
                  "forward_gradient needs parameters that are the user's own buffer (full): what an adapter shows of "
                  "its own carries no derivatives");
  }
};

}  // namespace zoft::inline ZOFT_ISA
