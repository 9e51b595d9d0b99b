#pragma once

#include <algorithm>
#include <cstring>
#include <span>

#include "../candidates.hpp"
#include "../optimizer/update.hpp"
#include "../random/axpy.hpp"
#include "extent.hpp"

namespace zoft::inline ZOFT_ISA {

/// Whether θ + scale·z differs from θ as it is stored, in any of these extents. Where all of z is 0 there, it is not
/// rounding that keeps θ, and the answer is true. It ends at the first difference, as a rule in the first piece.
template <number T, class Z>
bool moves(std::span<const T> x, std::span<const extent> parts, arithmetic_t<T> scale, const Z& z) {
  using A = arithmetic_t<T>;
  bool differs = false, is_zero = true;
  for_each_piece(parts, update::most, [&](std::size_t first, std::size_t n, const tensor*) {
    if (differs) return;
    A piece[update::most];
    T moved[update::most];
    std::fill_n(piece, n, A{0});
    z.axpy(std::span<A>(piece, n), A{1}, first);
    is_zero = is_zero && std::all_of(piece, piece + n, [](A value) { return value == 0; });
    std::copy_n(x.data() + first, n, moved);
    random::axpy<T>(std::span<T>(moved, n), scale, piece);
    differs = std::memcmp(moved, x.data() + first, n * sizeof(T)) != 0;
  });
  return differs || is_zero;
}

/// Throws where the first of these points that is not θ is θ for rounding: slopes measured there would all be 0, and
/// nothing be learnt. z(query) is that query's direction.
template <number T, class F>
void require_moves(std::span<const T> x, std::span<const extent> parts, std::span<const point> points, F z) {
  const auto first = std::find_if(points.begin(), points.end(), [](const point& p) { return p.scale != 0; });
  if (first != points.end() && !moves<T>(x, parts, static_cast<arithmetic_t<T>>(first->scale), z(first->query)))
    fail("engine: the radius is " + text(first->scale) +
         ", and must be larger: rounding to the parameters' type leaves all of them where they are");
}

}  // namespace zoft::inline ZOFT_ISA
