/// Minimises any function of some numbers, from its values alone, in one call.
#pragma once

#include <span>
#include <type_traits>

#include "concepts.hpp"
#include "core/functor_ref.hpp"
#include "core/number.hpp"
#include "engine/refused.hpp"
#include "minimize/options.hpp"
#include "minimize/run.hpp"

namespace zoft::inline ZOFT_ISA {

namespace minimizing {

/// What is wrong with x, or with f.
template <class X, class F>
constexpr composition::fault fault_of() {
  using composition::fault;
  if constexpr (requires { typename std::remove_cvref_t<X>::Scalar; }) {
    return fault::none;  // Eigen's: see eigen.hpp
  } else if constexpr (composition::fault_of_buffer<X>() == fault::none) {
    using T = typename std::remove_cvref_t<X>::value_type;
    if constexpr (objective<F, std::span<const T>>) return fault::none;
    return std::invocable<F&, std::span<const T>> ? fault::nothing_returned : fault::buffer;
  } else {
    return composition::fault_of_buffer<X>();
  }
}

}  // namespace minimizing

/// Minimises f in place, starting from x, by descent along two-point estimates of ∇f. f takes std::span<const T> and
/// returns a number. It needs no option: what a step is, and when to end, is measured. See minimize_options for limits.
///
/// x becomes the best point that was seen, and is never worse than the start. The loss at x is looked at now and then;
/// if it has risen far, or is not finite, the run goes back to its best point and halves the rate. f may be noisy: then
/// losses are means, and are compared by what noise may do to them. f may have regions where it is not finite, and fail
/// now and then. Beside those, and beside bounds, an ε that was measured is halved as the run goes on. Memory: two
/// copies of x, four with bounds or scales, and another two while ε and η are measured.
///
/// Throws std::invalid_argument if an option is out of range, x is empty or out of its bounds, or f(x) is not finite at
/// the start. No improvement is a result, not an error: see report::status. What f throws passes through, and x is then
/// the best point so far.
template <number T, std::size_t N, class F>
requires(minimizing::fault_of<std::span<T, N>, F>() == composition::fault::none) report
    minimize(std::span<T, N> x, F&& f, const minimize_options& o = {}) {
  return minimizing::run<T>(x, functor_ref<double(std::span<const T>)>(f), o)();
}

// For calls that are wrong.
template <class X, class F>
requires(minimizing::fault_of<X, F>() == composition::fault::no_span)
    ZOFT_REFUSED("x must be a std::span: write std::span(x)")
report minimize(X&&, F&&, const minimize_options& = {}) { return {}; }
template <class X, class F>
requires(minimizing::fault_of<X, F>() == composition::fault::read_only)
    ZOFT_REFUSED("x is what is changed, and must be a std::span of numbers that are not const")
report minimize(X&&, F&&, const minimize_options& = {}) { return {}; }
template <class X, class F>
requires(minimizing::fault_of<X, F>() == composition::fault::no_numbers)
    ZOFT_REFUSED("x must be a std::span of float, double, zoft::bfloat16 or zoft::half")
report minimize(X&&, F&&, const minimize_options& = {}) { return {}; }
template <class X, class F>
requires(minimizing::fault_of<X, F>() == composition::fault::nothing_returned)
    ZOFT_REFUSED("the functor must return a number, and returns something else")
report minimize(X&&, F&&, const minimize_options& = {}) { return {}; }
template <class X, class F>
requires(minimizing::fault_of<X, F>() == composition::fault::buffer)
    ZOFT_REFUSED("the functor must be double(std::span<const T>), with T the type of x's numbers")
report minimize(X&&, F&&, const minimize_options& = {}) { return {}; }

}  // namespace zoft::inline ZOFT_ISA
