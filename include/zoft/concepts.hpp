/// Every concept of the engine, on one page.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "candidates.hpp"
#include "layout.hpp"
#include "optimizer/update.hpp"
#include "random/direction.hpp"

namespace zoft::inline ZOFT_ISA {

/// What z looks like. axpy does x[i] += a · z(d)[first + i] for numbers of type T: a pure function of (d, index), so
/// that any piece of z can be made again, in any order. The engine asks it for float and double only, for elements that
/// exist and finite a: then it must not throw.
///
/// Where a direction costs something by itself (a norm, say), a sampler may also have at(d), which makes that once and
/// returns something with axpy(x, a, first); see zoft::at.
template <class S, class T>
concept sampler = std::copyable<S> && requires(const S s, std::span<T> x, T a, direction d, std::uint64_t first) {
  s.axpy(x, a, d);
  s.axpy(x, a, d, first);
};

/// Which points are evaluated, and how their losses become one coefficient a direction: ĝ = Σ cᵢzᵢ.
template <class E>
concept estimator = std::copyable<E> &&
    requires(const E e, std::size_t i, std::span<const double> losses, std::span<double> c) {
  e.check();
  { e.queries } -> std::convertible_to<std::size_t>;
  { e.evaluations() } -> std::convertible_to<std::size_t>;
  { e.at(i) } -> std::same_as<point>;
  e.coefficients(losses, c);
};

/// What is done with ĝ. It is given in pieces, and never stored as a whole unless the optimizer's own state is as
/// large.
template <class O>
concept optimizer = std::copyable<O> &&
    requires(O o, const O c, std::uint32_t step, std::span<float> x, std::span<float> g, update::piece p) {
  c.check();
  { c.rate(step) } -> std::convertible_to<double>;
  o.template apply<float>(x, g, p);
};

/// An adapter whose parameters are the user's own buffer.
template <class A>
concept borrowing_adapter = std::copyable<A> && requires(const A a) {
  { a.layout } -> std::convertible_to<const layout&>;
};

/// An adapter that makes parameters of its own for a model's linears, and shows the functor what each candidate adds to
/// them.
template <class A>
concept owning_adapter = std::copyable<A> &&
    requires(const A a, const layout& linears, seed run, const candidates<float> c) {
  { a.attach(linears, run).parameters() } -> std::convertible_to<std::span<float>>;
  { a.attach(linears, run).layout() } -> std::convertible_to<const layout&>;
  a.attach(linears, run).show(c);
};

template <class A>
concept adapter = borrowing_adapter<A> || owning_adapter<A>;

/// A functor that is shown candidates and writes a loss for each, in the same order.
template <class F, class Shown>
concept batch_objective = std::invocable<F&, const Shown&, std::span<double>>;

/// A functor that is shown one point and returns its loss.
template <class F, class Shown>
concept objective = requires(F& f, const Shown& x) {
  { f(x) } -> std::convertible_to<double>;
};

}  // namespace zoft::inline ZOFT_ISA
