/// The engine's checks of what it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../../core/candidates.hpp"
#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA::checks {

/// n is the number of parameters. The layout may be empty. `before` is the number in the last step, 0 if there was
/// none.
inline void size(std::size_t n, const layout& shape, std::size_t before) {
  if (n == 0) fail("engine: the parameters are an empty span, and must be at least one number");
  if (!shape.empty() && shape.size() != n)
    fail("engine: the parameters are " + text(n) + " numbers, and the layout has " + text(shape.size()));
  if (before != 0 && before != n)
    fail("engine: the parameters are " + text(n) + " numbers, and were " + text(before) + " before");
}

inline void elements(std::size_t n, std::uint64_t of_sampler) {
  if (of_sampler < n)
    fail("engine: the parameters are " + text(n) + " numbers, and the sampler has " + text(of_sampler));
}

inline void candidate(std::size_t first, std::size_t known) {
  if (first >= known) fail("engine: candidate " + text(first) + " was asked, and a step has " + text(known));
}

/// The first point that is not θ; θ if there is none.
inline point first_moved(std::span<const point> points) {
  for (const point& p : points)
    if (p.scale != 0) return p;
  return {};
}

/// Refuses the radius `scale` if fewer than a hundredth of the `asked` parameters moved, because rounding left the
/// others where they are.
inline void radius(double scale, std::size_t asked, std::size_t moved) {
  if (100 * moved < asked)
    fail("engine: the radius is " + text(scale) + ", and must be larger: rounding to their type leaves " +
         text(asked - moved) + " of " + text(asked) + " parameters where they are");
}

inline void losses(bool fit, std::size_t told, std::size_t of_step) {
  if (!fit) fail("engine: " + text(told) + " losses were told, and a step has " + text(of_step));
}

/// A record of step `step` with `n` values, where step `coming` with `wanted` values is to be made.
inline void record(std::size_t step, std::size_t coming, std::size_t n, std::size_t wanted) {
  if (step != coming)
    fail("engine: the record is of step " + text(step) + ", and step " + text(coming) + " comes next");
  if (n != wanted) fail("engine: the record has " + text(n) + " values, and a step has " + text(wanted));
}

}  // namespace zoft::inline ZOFT_ISA::checks
