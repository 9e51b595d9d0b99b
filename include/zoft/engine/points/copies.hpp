/// Copies of the parameters at points around them, for functors that are shown candidates.
#pragma once

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "../../core/candidates.hpp"
#include "../../core/extent.hpp"
#include "../../core/piece.hpp"
#include "../../random/axpy.hpp"
#include "../directions/at.hpp"

namespace zoft::inline ZOFT_ISA {

/// Fills `held` with x + scale·z(query) for each point, or a new buffer while others still hold that. Works a piece at
/// a time, so that each direction's noise is made once for all its points. z(query) is that query's direction; only
/// `parts` move.
template <number T, class F>
candidates<T> copies(std::span<const T> x, std::span<const extent> parts, const std::vector<point>& points, F z,
                     std::shared_ptr<std::vector<T>>& held) {
  using A = arithmetic_t<T>;
  if (held.use_count() != 1) held = std::make_shared<std::vector<T>>();
  std::vector<T>& stack = *held;
  stack.resize(points.size() * x.size());
  for (std::size_t i = 0; i < points.size(); ++i) std::copy(x.begin(), x.end(), stack.data() + i * x.size());
  std::vector<bool> made(points.size(), false);
  for (std::size_t next = 0; next < points.size(); ++next) {
    if (made[next] || points[next].scale == 0) continue;
    const auto of_query = z(points[next].query);
    const auto of_this = [&](const point& p) { return p.query == points[next].query && p.scale != 0; };
    for (std::size_t i = next; i < points.size(); ++i) made[i] = made[i] || of_this(points[i]);
    for_each_piece(parts, update::most, [&](std::size_t first, std::size_t n, const tensor*) {
      A piece[update::most];
      draw(of_query, std::span<A>(piece, n), first);
      for (std::size_t i = next; i < points.size(); ++i)
        if (of_this(points[i]))
          random::axpy<T>(std::span<T>(stack.data() + i * x.size() + first, n), static_cast<A>(points[i].scale), piece);
    });
  }
  return {stack.data(), points.size(), x.size(), held};
}

}  // namespace zoft::inline ZOFT_ISA
