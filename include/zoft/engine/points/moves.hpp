#pragma once

#include <algorithm>
#include <cstring>
#include <span>

#include "../../core/candidates.hpp"
#include "../../core/extent.hpp"
#include "../../core/piece.hpp"
#include "../../random/axpy.hpp"
#include "../../simd/rounding.hpp"
#include "../directions/at.hpp"
#include "checks.hpp"

namespace zoft::inline ZOFT_ISA {

/// Throws if rounding leaves more than 99 in 100 parameters where they are, at the first of these points that is not θ.
/// Parameters whose z is 0 are not counted. A loss measured at such a point has little to do with z, although z is what
/// would be applied. z(query) is that query's direction. Stops as soon as a hundredth of the parameters has moved.
template <number T, class F>
void require_moves(std::span<const T> x, std::span<const extent> parts, std::span<const point> points, F z) {
  using A = arithmetic_t<T>;
  const point p = checks::first_moved(points);
  if (p.scale == 0) return;
  const auto of_query = z(p.query);
  std::size_t size = 0, asked = 0, moved = 0;
  for (const extent& part : parts) size += part.size;
  for_each_piece(parts, update::most, [&](std::size_t first, std::size_t n, const tensor*) {
    if (100 * moved >= size) return;
    A piece[update::most];
    T there[update::most];
    draw(of_query, std::span<A>(piece, n), first);
    std::copy_n(x.data() + first, n, there);
    random::axpy<T>(std::span<T>(there, n), static_cast<A>(p.scale), piece);
    asked += simd::count_nonzero(piece, n);
    for (std::size_t i = 0; i < n; ++i) moved += std::memcmp(&there[i], &x[first + i], sizeof(T)) != 0;
  });
  checks::radius(p.scale, asked, moved);
}

}  // namespace zoft::inline ZOFT_ISA
