/// Where a step asks for losses, in the parameters' arithmetic.
#pragma once

#include <optional>

#include "../../core/number.hpp"
#include "../../random/axpy.hpp"
#include "../estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA::estimation {

/// Point i, given the losses of the points before it. Empty if it depends on those losses and is not finite. Throws if
/// it does not depend on losses and its radius becomes 0 or infinite in T's arithmetic.
template <number T, class E>
std::optional<point> where(const E& e, std::size_t i, const step_view& told) {
  const point p = at(e, i, told);
  if (p.query >= e.queries)
    fail("engine: the estimator's point " + text(i) + " lies along direction " + text(p.query) + ", and a step has " +
         text(static_cast<std::size_t>(e.queries)));
  const auto rounded = static_cast<double>(static_cast<arithmetic_t<T>>(p.scale));
  if (i >= ready(e, {told.name, told.rate, {}})) return is_finite(rounded) ? std::optional(p) : std::nullopt;
  if ((p.scale != 0 && rounded == 0) || !is_finite(rounded))
    fail("engine: the radius is " + text(p.scale) +
         ", and must be neither 0 nor infinite in the parameters' arithmetic");
  return p;
}

}  // namespace zoft::inline ZOFT_ISA::estimation
