/// Minimises any function of some numbers, from its values alone, in one call.
#pragma once

#include <span>
#include <type_traits>

#include "concepts.hpp"
#include "core/number.hpp"
#include "minimize/any_objective.hpp"
#include "minimize/options.hpp"
#include "minimize/run.hpp"

namespace zoft::inline ZOFT_ISA {

/// Minimises f in place, starting from x, by descent along two-point estimates of ∇f. f takes std::span<const T> and
/// returns a number. It needs no option: what a step is, and when to end, is measured. See minimize_options for limits.
///
/// x becomes the best point that was seen, and is never worse than the start. The loss at x is looked at now and then;
/// if it has risen far, or is not finite, the run goes back to its best point and halves the rate. f may be noisy: then
/// losses are means, and are compared by what noise may do to them. Memory: two copies of x, four with bounds or
/// scales, and another two while ε and η are measured.
///
/// Throws std::invalid_argument if an option is out of range, x is empty or out of its bounds, or f(x) is not finite at
/// the start. No improvement is a result, not an error: see report::status. What f throws passes through, and x is then
/// the best point so far.
template <number T, std::size_t N, objective<std::span<const T>> F>
report minimize(std::span<T, N> x, F&& f, const minimize_options& o = {}) {
  if constexpr (std::is_function_v<std::remove_reference_t<F>>) {
    auto* const pointer = &f;
    return minimize(x, pointer, o);
  } else {
    return minimizing::run<T>(x, minimizing::any_objective<T>(f), o)();
  }
}

}  // namespace zoft::inline ZOFT_ISA
