/// Exact slopes along directions, from functors of numbers that carry a derivative.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "../../core/extent.hpp"
#include "../../core/number.hpp"
#include "../../core/piece.hpp"
#include "../directions/at.hpp"

namespace zoft::inline ZOFT_ISA {

/// L(x) and its derivative along each of a step's directions.
struct tangent_slopes {
  std::vector<double> losses;
  std::vector<double> slopes;  ///< not finite if the loss is not
};

/// Calls functor(x + δ·z(query)), in numbers of type Dual, for each query. z(query) is that query's direction; only
/// `parts` move.
template <class Dual, number T, class F, class Z>
tangent_slopes slopes_along(std::span<const T> x, std::span<const extent> parts, std::size_t queries, Z z, F& functor) {
  std::vector<Dual> moving(x.begin(), x.end());
  tangent_slopes result;
  for (std::size_t query = 0; query < queries; ++query) {
    const auto of_query = z(query);
    for_each_piece(parts, update::most, [&](std::size_t first, std::size_t n, const tensor*) {
      T piece[update::most];
      draw(of_query, std::span<T>(piece, n), first);
      for (std::size_t j = 0; j < n; ++j) moving[first + j].derivative = piece[j];
    });
    const auto loss = functor(std::span<const Dual>(moving));
    result.losses.push_back(static_cast<double>(loss.value));
    result.slopes.push_back(is_finite(result.losses.back()) ? static_cast<double>(loss.derivative)
                                                            : result.losses.back());
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA
