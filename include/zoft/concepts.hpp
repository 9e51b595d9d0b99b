/// Every concept of the engine, on one page.
///
/// A policy is a copyable struct; it inherits from nothing. The engine keeps a copy of it, and calls, in this order:
///
///     first step    check() of all; start of the sampler, then of the optimizer
///     each step     check() of all; trains; rate(step); at(i) for each point, and axpy for its z; coefficients; adapt;
///                   axpy and apply for each piece of what moves; finish; learn
///
/// check() throws std::invalid_argument if an option is out of range: see `require` in core/config.hpp. The engine's
/// constructor calls it too. trains, rate and at are called any number of times, at any point of a step, so they must
/// change nothing. If a loss or a coefficient is not finite, the step ends before adapt, but it counts: its number is
/// not used again. zoft::autotune also needs the estimator's epsilon and the optimizer's learning_rate, as data.
///
/// A policy that keeps anything between steps, beside what its start makes of the first parameters, should have
/// each_state(f), which calls f(part) for each part of it (core/state.hpp): snapshots of a journal need it.
///
/// The engine finds an optional member by whether the call shown here compiles. A start, learn, ready, trains, adapt or
/// finish with other parameters, which would never be called, is refused by the compiler (engine/composition.hpp).
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include "core/candidates.hpp"
#include "core/direction.hpp"
#include "core/extent.hpp"
#include "core/layout.hpp"
#include "core/number.hpp"
#include "core/observations.hpp"
#include "core/piece.hpp"
#include "core/state.hpp"
#include "core/step_view.hpp"

namespace zoft::inline ZOFT_ISA {

/// Stands for the parameters that an optimizer's finish is given, which are a template's argument.
namespace composition {
struct any_parameters {};
}  // namespace composition

/// What z looks like. axpy does x[i] += a · z(d)[first + i] for numbers of type T; without `first`, that is 0. z must
/// be a pure function of (d, index), so that any piece of it can be made again, in any order, and by several threads at
/// a time. The engine asks it for float and double only, for elements that exist and finite a: then it must not throw.
///
/// z can be made of a built-in sampler's elements, or of random::word (random/stream.hpp). With E zzᵀ = I, as most
/// built-in samplers have it, ĝ estimates the gradient, and ε and η mean what they mean there. If z's bits are to be
/// the same with every compiler and flag, round each product and sum by simd::rounded (simd/lanes.hpp).
///
/// Optional:
///
///     at(d)                  makes once what a direction costs by itself (a norm, say), and returns something with
///                            axpy(x, a, first); with elements() too if z has an end; see zoft::at
///     applied(d)             the same for the update, where z(d) is only what is evaluated
///     start(size, layout)    before the first step: the number of parameters, and their layout, which may be empty
template <class S, class T>
concept sampler = std::copyable<S> && requires(const S s, std::span<T> x, T a, direction d, std::uint64_t first) {
  s.axpy(x, a, d);
  s.axpy(x, a, d, first);
};

/// A sampler whose z depends on the parameters x, or on what was learned so far. start<T> is called before the first
/// step, and a sampler may have it without learn<T>. learn<T> is called after each update, with the extents that it
/// moved, the step's name, and the curvature along each of its directions (0 where the estimator measures none).
/// Between these calls its state must not change, so that what is applied is what was evaluated. T is the type in which
/// x is stored, any zoft::number.
template <class S, class T>
concept learning_sampler = sampler<S, T> &&
    requires(S s, std::span<const T> x, const layout& shape, std::span<const extent> moved, direction step,
             std::span<const double> curvatures) {
  s.template start<T>(x, shape);
  s.template learn<T>(x, moved, step, curvatures);
};

/// A sampler that is shown the parameters before the first step.
template <class Sampler>
concept starts_with_parameters = requires(Sampler s, std::span<const float> x, const layout& shape) {
  s.template start<float>(x, shape);
};

/// A sampler whose z depends on nothing but the direction, so that another may be made of it: it need not be told when
/// a run starts, and applies what it evaluates.
template <class Sampler>
concept stateless_sampler =
    !starts_with_parameters<Sampler> && !requires(Sampler s, std::size_t size, const layout& shape) {
  s.start(size, shape);
}
&&!requires(const Sampler s, direction d) { s.applied(d); };

/// A sampler whose z(d) is a linear map of fewer numbers, its core: z = P(y), with P of the step and y of d.
///
///     layout                 of the parameters
///     core()                 layout of y: a tensor for each of the parameters', in their order and with their names
///     core_axpy(y, a, d)     y += a · core of z(d)
///     basis(d)               P: embed(y, g, first) does g += (P y)[first …]
///     renewed(step)          whether P differs from the step before
///     basis.carry(from, y)   y ← the y in this basis that is nearest to what it was in `from`; only where P changes
///     basis.gain(i)          ‖P y‖ / ‖y‖ in tensor i; only where that is the same for all y
template <class S>
concept factored_sampler = sampler<S, float> &&
    requires(const S s, direction d, std::span<float> y, std::span<const float> read, std::uint32_t step) {
  { s.layout } -> std::convertible_to<const layout&>;
  { s.core() } -> std::convertible_to<const layout&>;
  s.core_axpy(y, 1.0f, d);
  s.basis(d).embed(read, y, std::uint64_t{0});
  { s.renewed(step) } -> std::same_as<bool>;
};

/// A sampler whose z(d) is of low rank in matrices, and says how: for matrix i (m, k) of its layout, z = left·right.
///
///     at(d).rank()        r
///     at(d).left(i, to)   to (m, r) ← left
///     at(d).right(i)      (r, k)
template <class S>
concept low_rank_sampler = sampler<S, float> && requires(const S s, direction d, std::size_t i, std::span<float> to) {
  { s.layout } -> std::convertible_to<const layout&>;
  { s.at(d).rank() } -> std::convertible_to<std::size_t>;
  s.at(d).left(i, to);
  { s.at(d).right(i) } -> std::convertible_to<std::span<const float>>;
};

/// A sampler whose z is made from what the functor shows of the model at θ: see zoft::observations. Its estimator must
/// evaluate θ before all other points, and its functor must take a third argument: f(shown, losses, observations&). z
/// is then a pure function of (d, index) and of the batch at θ.
///
///     rows()            how many rows of each linear a direction needs
///     observe(seen)     called in each step, once the losses at θ are known
///     forget()          called when the step has ended
///
/// Its at(d) has rank(), left(i) (m, r) and right(i) (r, k) of matrix i, as spans that lie side by side for queries
/// 0, 1, …; empty for what rests.
template <class S>
concept observing_sampler = sampler<S, float> &&
    requires(S s, const S read, observations seen, direction d, std::size_t i) {
  { read.rows() } -> std::convertible_to<std::size_t>;
  s.observe(std::move(seen));
  s.forget();
  { read.at(d).rank() } -> std::convertible_to<std::size_t>;
  { read.at(d).left(i) } -> std::convertible_to<std::span<const float>>;
  { read.at(d).right(i) } -> std::convertible_to<std::span<const float>>;
};

/// Which points are evaluated, and how their losses become one coefficient a direction: ĝ = Σ cᵢzᵢ, which is then
/// descended along.
///
///     queries                   directions a step, q: data, not a function
///     evaluations()             points a step, each with a loss of its own
///     at(i)                     point i: {query, scale} is θ + scale·z(query), query < q; {} is θ itself
///     coefficients(losses, c)   losses of all points, in their order -> c (q). The sum has no 1/q: put it in c
///
/// Points may depend on the step and on losses told so far, and coefficients on the step: then it has at(i, view) and
/// coefficients(view, c) instead, see step_view. What `coefficients` remembers is kept only if the step is applied.
///
/// Optional:
///
///     ready(view)           if later points depend on earlier losses: how many points view.losses determines. With no
///                           losses, that is the first round; at(i, view) has at least the losses of earlier rounds
///     forwards()            what a step costs, in forwards of a whole batch, if that is not evaluations(): it is what
///                           step_report::evaluations says
///     batch_size()          if each loss is of one example: how many a batch has; point i is evaluated on example
///                           i mod batch_size() alone, and the functor takes zoft::example_losses, or a zoft::example
///     curvatures(view, k)   for a learning sampler: curvatures along the directions -> k (q)
///     check(optimizer)      refuses options of the optimizer that it does not go with
template <class E>
concept estimator = std::copyable<E> && requires(const E e) {
  e.check();
  { e.queries } -> std::convertible_to<std::size_t>;
  { e.evaluations() } -> std::convertible_to<std::size_t>;
} &&(
    requires(const E e, std::size_t i) {
      { e.at(i) } -> std::same_as<point>;
    } ||
    requires(const E e, std::size_t i, const step_view& view) {
      { e.at(i, view) } -> std::same_as<point>;
    }) &&
    (
        requires(E e, std::span<const double> losses, std::span<double> c) { e.coefficients(losses, c); } ||
        requires(E e, const step_view& view, std::span<double> c) { e.coefficients(view, c); });

/// An estimator that another may be made of: it keeps nothing of one step for the next, and knows all its points before
/// the losses. It must have coefficients(view, c), const.
template <class E>
concept stateless_estimator = requires(const E& e, const step_view& view, std::span<double> c) {
  e.coefficients(view, c);
}
&&!requires(const E& e, const step_view& view) { e.ready(view); };

/// One that keeps nothing of one step for the next.
template <class E>
concept keeps_nothing = requires(const E& e, const step_view& view, std::span<double> c) {
  e.coefficients(view, c);
}
|| requires(const E& e, std::span<const double> losses, std::span<double> c) { e.coefficients(losses, c); };

/// One whose losses are of one example each: see batch_size() above, and core/examples.hpp.
template <class E>
concept estimator_of_examples = requires(const E& e) {
  { e.batch_size() } -> std::convertible_to<std::size_t>;
};

/// What is done with ĝ. It is given in pieces, and never stored as a whole unless the optimizer's own state is as
/// large. apply<T>(x, g, p) is called for each piece that the step moves, in order: x (n) are parameters p.first …
/// p.first + n − 1, g (n) is ĝ there, and p.rate is η, so descent is x[i] -= p.rate · g[i]. Of state kept for all
/// parameters, element p.first + i belongs to x[i]. g may be overwritten. T is float or double. Parameters of 16 bits
/// come widened to float, and are rounded afterwards.
///
/// Optional:
///
///     start<T>(x, layout)   before the first step: all parameters, std::span<const T> as they are stored, so T may be
///                           of 16 bits. An optimizer that has it is refused for models without a buffer
///     resize<T>(n)          called in place of start where the parameters are codes: there, state needs this one
///     adapt(c)              changes the coefficients, std::span<double>, before anything is made of them
///     finish(x)             after the last piece, with all parameters as update::rounded (engine/update/rounded.hpp)
template <class O>
concept dense_optimizer = requires(O o, std::span<float> x, std::span<float> g, update::piece p) {
  o.template apply<float>(x, g, p);
};

/// One that also wants ĝ of up to replays() earlier steps again: apply<T>(x, g, piece, past). There are past.steps() of
/// them; past(j, g, piece) makes that of the last applied step but j, and returns false if the tensor rested then.
template <class O>
concept replaying_optimizer = requires(const O o) {
  { o.replays() } -> std::convertible_to<std::size_t>;
};

/// One that goes over all parameters once more after the last piece: finish(x).
template <class O>
concept finishing_optimizer = requires(O o, const composition::any_parameters& x) {
  o.finish(x);
};

/// One that keeps nothing, so that pieces may be applied in any order, and several at a time, from several threads. It
/// says so by static constexpr bool elementwise = true.
template <class O>
concept elementwise_optimizer = dense_optimizer<O> && requires {
  requires O::elementwise;
};

/// One of which all that it keeps can be seen.
template <class O>
concept shown_optimizer = elementwise_optimizer<O> || stateful<O>;

/// One whose state is of a factored sampler's core: apply(x, parts, sampler, step, c, rate), called once a step, with x
/// as update::rounded. See zoft::factored.
template <class O>
concept factored_optimizer = requires {
  typename O::of_core;
};

/// What an engine takes: one of these kinds, with check() and rate(step), which is η. Steps count from 0.
template <class O>
concept optimizer = std::copyable<O> &&
    (dense_optimizer<O> || replaying_optimizer<O> || factored_optimizer<O>)&&requires(const O c, std::uint32_t step) {
  c.check();
  { c.rate(step) } -> std::convertible_to<double>;
};

/// An adapter whose parameters are the user's own buffer. It has their layout, as data; if that is empty, all of the
/// buffer moves in every step. What does not move is neither perturbed nor updated, and keeps its bits.
///
/// Optional; the first three also for an adapter that owns:
///
///     check()             an option that selects nothing is best refused here: the engine does not
///     trains(tensor)      bool: whether the tensor moves, in every step
///     trains(layout, d)   std::vector<bool>, one for each tensor: which of them step d.step moves. If there is one, it
///                         is asked instead of the other; without either, all tensors move
///     restore, rounding   data: see zoft::restore and zoft::rounding
template <class A>
concept borrowing_adapter = std::copyable<A> && requires(const A a) {
  { a.layout } -> std::convertible_to<const layout&>;
};

/// One whose buffer holds no numbers but codes of them, of type C, and is moved by A::buffer, a moved_buffer.
template <class A, class C>
concept coded_adapter = borrowing_adapter<A> && requires {
  requires std::same_as<typename A::buffer::value, C>;
};

/// An adapter that makes parameters of its own for a model, and shows the functor what each candidate adds to it. What
/// it becomes by attach(model, seed) or, where that is not well formed, by attach(model.layout(), seed), has the type
/// A::attached. The seed is a zoft::seed.
///
///     parameters()   what is trained, with its starting values. A second one that is const lets users read them by
///                    engine.adapter(), which is const
///     layout()       of the parameters, by reference; A's `trains` is asked about it
///     show(c)        what the functor is given in place of the candidates c; these are one at a time if it returns a
///                    loss. The built-in transformer takes an adapter_stack. For a model of your own, any type will do,
///                    and c itself too
///     observed(seen) optional: what was shown of the model's linears -> what that shows of the adapter's parameters,
///                    by their names. Without it, these have the names of the linears
template <class A>
concept owning_adapter = std::copyable<A> && requires(typename A::attached& attached, const candidates<float> c) {
  { attached.parameters() } -> std::convertible_to<std::span<float>>;
  { attached.layout() } -> std::convertible_to<const layout&>;
  attached.show(c);
};

/// A model that keeps weights of its own, and can be trained without a buffer of them:
///
///     weight_type                         what they are widened to: float or double
///     weights_layout()                    their names, and where each would be in one buffer
///     update_weights(moves, f, together)  for each tensor i with moves[i], calls f(first, w) for all its elements, a
///                                         piece w from element `first` of the buffer at a time; what f makes of w it
///                                         keeps. Pieces come in order; or, where `together`, in any, and from several
///                                         threads at a time
///     weight_types()                      optional: what each tensor is kept as, std::vector<nn::dtype>. Updates of
///                                         those of 16 bits are then rounded stochastically; without it, as the model
///                                         rounds
template <class M>
concept weighted_model = requires(M& model, const M& read, const std::vector<bool>& moves,
                                  void (*f)(std::uint64_t, std::span<typename M::weight_type>)) {
  requires number<typename M::weight_type>;
  { read.weights_layout() } -> std::convertible_to<layout>;
  model.update_weights(moves, f, true);
};

template <class A>
concept adapter = borrowing_adapter<A> || owning_adapter<A>;

// Policies that do not go together say so: if any of them has a static constexpr void
// compose<Sampler, Estimator, Adapter, Optimizer>(), it is called, and may hold static assertions.

/// An estimator that asks for numbers that carry their derivative along a direction, and a functor of such.
template <class E>
concept tangent_estimator = requires {
  typename E::template argument<float>;
};

template <class E, class F, class T>
concept tangent_objective = requires(F& f, std::span<const typename E::template argument<T>> x) {
  f(x).value;
  f(x).derivative;
};

/// A functor that is shown candidates and writes a loss for each, in the same order.
template <class F, class Shown>
concept batch_objective = std::invocable<F&, const Shown&, std::span<double>>;

/// The same for an observing sampler: it also fills in the observations where they are asked for.
template <class F, class Shown>
concept observing_objective = std::invocable<F&, const Shown&, std::span<double>, observations&>;

/// A functor that is shown one point and returns its loss.
template <class F, class Shown>
concept objective = requires(F& f, const Shown& x) {
  { f(x) } -> std::convertible_to<double>;
};

/// Where the losses of a step are evaluated, if step(x, functor, where) does not evaluate them by itself:
/// zoft::mpi::ranks, say. x is what the engine's ask takes.
///
///     losses(engine, x, functor)   the losses of all points of the coming step, in their order. They are told, so one
///                                  that is not finite ends the step
template <class W, class Engine, class X, class F>
concept evaluator = requires(W& where, Engine& engine, X& x, F& f) {
  { where.losses(engine, x, f) } -> std::same_as<std::vector<double>>;
};

}  // namespace zoft::inline ZOFT_ISA
