/// What the compiler says where an engine's policies, or what it is called with, are not what they must be: one line
/// that names what was wanted, at the user's own line.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../concepts.hpp"
#include "functors.hpp"
#include "stepper.hpp"

namespace zoft::inline ZOFT_ISA {

namespace composition {

/// What a policy lacks, in the order in which it is looked for.
enum class lack {
  nothing,
  policies,
  axpy,
  check,
  queries,
  evaluations,
  at,
  coefficients,
  layout,
  optimizer_check,
  rate,
  apply
};

struct no_policy {};

template <class Sampler, class Estimator, class Adapter, class Optimizer>
consteval lack lacking() {
  using E = const Estimator&;
  using O = const Optimizer&;
  if constexpr (std::same_as<Sampler, no_policy>)
    return lack::policies;
  else if constexpr (!sampler<Sampler, float>)
    return lack::axpy;
  else if constexpr (!requires(E e) { e.check(); })
    return lack::check;
  else if constexpr (!requires(E e) {
                       { e.queries } -> std::convertible_to<std::size_t>;
                     })
    return lack::queries;
  else if constexpr (!requires(E e) {
                       { e.evaluations() } -> std::convertible_to<std::size_t>;
                     })
    return lack::evaluations;
  else if constexpr (
      !requires(E e) {
        { e.at(std::size_t{}) } -> std::same_as<point>;
      } &&
      !requires(E e, const step_view& view) {
        { e.at(std::size_t{}, view) } -> std::same_as<point>;
      })
    return lack::at;
  else if constexpr (!estimator<Estimator>)
    return lack::coefficients;
  else if constexpr (!adapter<Adapter>)
    return lack::layout;
  else if constexpr (!requires(O o) { o.check(); })
    return lack::optimizer_check;
  else if constexpr (!requires(O o) {
                       { o.rate(std::uint32_t{}) } -> std::convertible_to<double>;
                     })
    return lack::rate;
  else if constexpr (!optimizer<Optimizer>)
    return lack::apply;
  else
    return lack::nothing;
}

}  // namespace composition

/// The engine of policies that lack something, which cannot be made. The real one is in engine.hpp.
template <class Sampler, class Estimator, class Adapter, class Optimizer>
class engine {
  using lack = composition::lack;
  static constexpr lack what = composition::lacking<Sampler, Estimator, Adapter, Optimizer>();

 public:
  ZOFT_REFUSED(
      "the sampler, which comes first, must be copyable and have a template over the type of numbers, "
      "axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first = 0) const")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::axpy) {}
  ZOFT_REFUSED("the estimator, which comes second, must have check() const, which throws if an option is wrong")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::check) {}
  ZOFT_REFUSED("the estimator must have queries, std::size_t as data: how many directions a step has")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::queries) {}
  ZOFT_REFUSED("the estimator must have evaluations() const, the number of points of a step")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::evaluations) {}
  ZOFT_REFUSED(
      "the estimator must have at(std::size_t i) const or at(std::size_t i, const zoft::step_view&) const, which "
      "returns the zoft::point i")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::at) {}
  ZOFT_REFUSED(
      "the estimator must be copyable and have coefficients(std::span<const double> losses, std::span<double> c), or "
      "coefficients(const zoft::step_view&, std::span<double> c)")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::coefficients) {}
  ZOFT_REFUSED(
      "the adapter, which comes third, must be copyable and have layout, a zoft::layout as data; or, if it owns "
      "parameters, a type `attached` with parameters(), layout() and show(candidates)")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::layout) {}
  ZOFT_REFUSED("the optimizer, which comes fourth, must have check() const, which throws if an option is wrong")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::optimizer_check) {}
  ZOFT_REFUSED("the optimizer must have rate(std::uint32_t step) const, which returns the learning rate")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::rate) {}
  ZOFT_REFUSED(
      "the optimizer must be copyable and have a template apply<T>(std::span<T> x, std::span<T> g, const "
      "zoft::update::piece& p)")
  engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {}) requires(what == lack::apply) {}
  template <class... P>
  requires(what == lack::policies)
      ZOFT_REFUSED("four policies are needed, in this order: a sampler, an estimator, an adapter, an optimizer")
  engine(P...) {}

  // Accepts any use, so that there is one error and not another for each.
  template <class... A>
  step_report step(A&&...) {
    return {};
  }
  template <class... A>
  step_report tell(A&&...) {
    return {};
  }
  template <class... A>
  candidates<float> ask(A&&...) {
    return {nullptr, 0, 0};
  }
  template <class... A>
  void attach(A&&...) {}
};

template <class Sampler, class Estimator, class Adapter, class Optimizer>
engine(Sampler, Estimator, Adapter, Optimizer, seed = {}, per_call = {})
    -> engine<Sampler, Estimator, Adapter, Optimizer>;
template <class... P>
requires(sizeof...(P) > 1 && sizeof...(P) < 4) engine(P...)
->engine<composition::no_policy, composition::no_policy, composition::no_policy, composition::no_policy>;

namespace composition {

/// What is wrong with a call of the engine.
enum class fault {
  none,
  // of x
  owned,
  missing,
  read_only,
  no_span,
  no_numbers,
  other_axpy,
  // of losses and records
  losses,
  unobserved,
  // of the functor
  nothing_returned,
  other_numbers,
  buffer,
  shown,
  codes,
  slopes,
  observations,
  example,
  example_observations,
  batch,
  // of what is tuned
  no_epsilon,
  no_rate
};

template <class X>
inline constexpr bool is_span = false;
template <class T, std::size_t N>
inline constexpr bool is_span<std::span<T, N>> = true;

template <class X>
concept contiguous_numbers = requires(X& x) {
  requires number<std::remove_cvref_t<decltype(*x.data())>>;
  x.size();
}
|| (std::is_array_v<X> && number<std::remove_cv_t<std::remove_all_extents_t<X>>>);

/// Of x, a buffer that is read, and changed too unless it may be const.
template <class X>
constexpr fault fault_of_buffer(bool may_be_const = false) {
  using V = std::remove_cvref_t<X>;
  if constexpr (is_span<V>) {
    using T = typename V::element_type;
    if constexpr (!number<std::remove_const_t<T>>)
      return fault::no_numbers;
    else
      return std::is_const_v<T> && !may_be_const ? fault::read_only : fault::none;
  } else {
    return contiguous_numbers<V> ? fault::no_span : fault::no_numbers;
  }
}

/// Of a functor of one point of T, or of candidates.
template <class F, class T>
constexpr fault fault_of_losses() {
  if constexpr (objective<F, std::span<const T>> || batch_objective<F, candidates<T>>)
    return fault::none;
  else
    return std::invocable<F&, std::span<const T>> ? fault::nothing_returned : fault::buffer;
}

/// Of both.
template <class X, class F>
constexpr fault fault_of_loss_at(bool may_be_const = false) {
  if constexpr (fault_of_buffer<X>(true) == fault::none)
    if (fault_of_buffer<X>(may_be_const) == fault::none)
      return fault_of_losses<F, typename std::remove_cvref_t<X>::value_type>();
  return fault_of_buffer<X>(may_be_const);
}

/// Whether F takes one point in numbers of another type than T.
template <class F, class T, class U>
constexpr bool takes_numbers = !std::same_as<T, U> && (std::invocable<F&, std::span<const U>> ||
                                                       std::invocable<F&, candidates<U>, std::span<double>>);
template <class F, class T>
constexpr bool takes_other_numbers = takes_numbers<F, T, float> || takes_numbers<F, T, double> ||
                                     takes_numbers<F, T, bfloat16> || takes_numbers<F, T, half>;

}  // namespace composition

/// The engine's functions for calls that are wrong. They take any number of arguments, so that they hide none of the
/// engine's.
template <class Sampler, class Estimator, class Adapter, class Optimizer>
class refusing : protected stepper<Sampler, Estimator, Adapter, Optimizer> {
 protected:
  using base = stepper<Sampler, Estimator, Adapter, Optimizer>;
  using base::base;
  static constexpr bool owning = base::owning;
  using typename base::own;
  using fault = composition::fault;
  template <class X>
  using parameters_of = typename base::template parameters_of<X>;

  /// Of x, which step, tell and replay change.
  template <class X>
  static constexpr fault fault_of_x(bool changed = true) {
    using V = std::remove_cvref_t<X>;
    if constexpr (requires { typename parameters_of<X>; }) {
      using P = parameters_of<X>;
      if constexpr (!sampler<Sampler, arithmetic_t<typename P::value_type>>) return fault::other_axpy;
      if constexpr (requires(P p) { p.span(); })
        if (changed && std::is_const_v<typename decltype(std::declval<P>().span())::element_type>)
          return fault::read_only;
      return fault::none;
    } else if constexpr (owning) {
      return fault::owned;
    } else {
      return composition::contiguous_numbers<V> ? fault::no_span : fault::no_numbers;
    }
  }

  /// Of a functor for parameters that are as they must be.
  template <class X, class F, class...>
  static constexpr fault fault_of_functor() {
    using P = parameters_of<X>;
    using T = typename P::value_type;
    constexpr bool examples = estimator_of_examples<Estimator>;
    if constexpr (tangent_estimator<Estimator>) {
      if constexpr (parameters::is_buffer<P>)
        if constexpr (tangent_objective<Estimator, F, T>) return fault::none;
      return fault::slopes;
    } else if constexpr (parameters::is_codes<P>) {
      using C = std::span<const typename decltype(std::declval<P>().span())::value_type>;
      return functors::takes_one<Estimator, F, C>() ? fault::none : fault::codes;
    } else if constexpr (base::template walks<P, F>) {
      return fault::none;
    } else {
      using shown = decltype(std::declval<refusing&>().shown(std::declval<const P&>(), {}));
      if constexpr (base::observes)
        return functors::takes_all<Estimator, F, shown, observations&>() ? fault::none
               : examples                                                ? fault::example_observations
                                                                         : fault::observations;
      else if constexpr (functors::takes_all<Estimator, F, shown>())
        return fault::none;
      else if constexpr (functors::takes_one<Estimator, F, shown>())
        return fault::none;
      else if constexpr (examples)
        return fault::example;
      else if constexpr (std::invocable<F&, const shown&, example_losses>)
        return fault::batch;
      else if constexpr (std::invocable<F&, const shown&>)
        return fault::nothing_returned;
      else if constexpr (!parameters::is_buffer<P> || owning)
        return fault::shown;
      else if constexpr (std::invocable<F&, std::span<const T>>)
        return fault::nothing_returned;
      else
        return composition::takes_other_numbers<F, T> ? fault::other_numbers : fault::buffer;
    }
  }

  template <class X, class... F>
  static constexpr fault fault_of_step() {
    if constexpr (owning && sizeof...(F) == 0)
      return fault_of_functor<own, X>();
    else if constexpr (sizeof...(F) == 0)
      return fault::missing;
    else if constexpr (fault_of_x<X>() != fault::none)
      return fault_of_x<X>();
    else
      return fault_of_functor<X, F...>();
  }

  template <class X, class... Losses>
  static constexpr fault fault_of_tell() {
    if constexpr (sizeof...(Losses) == 0)
      return owning ? fault::none : fault::missing;
    else if constexpr (fault_of_x<X>() != fault::none)
      return fault_of_x<X>();
    else
      return (std::convertible_to<Losses, std::span<const double>> && ...) ? fault::none : fault::losses;
  }

  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::owned)
      ZOFT_REFUSED("the adapter owns what is trained, so x must be left out")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::missing)
      ZOFT_REFUSED("what is trained must come first, a std::span or a model, as the adapter owns no parameters")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::no_numbers) ZOFT_REFUSED(
      "x must be a std::span of float, double, zoft::bfloat16 or zoft::half, or a model that has what "
      "zoft::weighted_model asks for")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::other_axpy) ZOFT_REFUSED(
      "the sampler must have axpy for x's numbers too: double for double, and float for others; make it a template")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::read_only)
      ZOFT_REFUSED("x is what is trained, and must be a std::span of numbers that are not const")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::no_span) ZOFT_REFUSED("x must be a std::span: write std::span(x)")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::nothing_returned)
      ZOFT_REFUSED("the functor must return its loss, a number, and returns something else")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::other_numbers) ZOFT_REFUSED(
      "the functor must take x's type of numbers, T: double(std::span<const T>), or void(zoft::candidates<T>, "
      "std::span<double>)")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::buffer) ZOFT_REFUSED(
      "the functor must be double(std::span<const T>), which returns the loss, or void(zoft::candidates<T>, "
      "std::span<double>), which writes a loss for each; x is of T")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::shown) ZOFT_REFUSED(
      "the functor must be void(const auto& shown, std::span<double> losses), which writes a loss for each candidate, "
      "or double(const auto& shown); shown is what ask returns")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::codes) ZOFT_REFUSED(
      "the functor must be double(std::span<const std::int8_t>): x is of codes, which are moved to one point at a time")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::slopes) ZOFT_REFUSED(
      "the functor must be zoft::dual<T>(std::span<const zoft::dual<T>>) on a std::span of T: the estimator wants "
      "exact slopes")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::observations) ZOFT_REFUSED(
      "the functor must be void(const auto& shown, std::span<double> losses, zoft::observations&): the sampler "
      "observes the model")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::example_observations) ZOFT_REFUSED(
      "the functor must be void(const auto& shown, zoft::example_losses losses, zoft::observations&): each loss is of "
      "one example, which the sampler observes")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::example) ZOFT_REFUSED(
      "the functor must be void(const auto& shown, zoft::example_losses), or double(std::span<const T>, zoft::example) "
      "in place: each loss is of one example, not of the batch")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_step<X, More...>() == fault::batch) ZOFT_REFUSED(
      "the functor must take losses of the batch, std::span<double>: only with an estimator such as per_example is "
      "each of one example")
  step_report step(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_tell<X, More...>() == fault::owned)
      ZOFT_REFUSED("the adapter owns what is trained, so x must be left out")
  step_report tell(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_tell<X, More...>() == fault::missing)
      ZOFT_REFUSED("what is trained must come first, a std::span or a model, as the adapter owns no parameters")
  step_report tell(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_tell<X, More...>() == fault::no_numbers) ZOFT_REFUSED(
      "x must be a std::span of float, double, zoft::bfloat16 or zoft::half, or a model that has what "
      "zoft::weighted_model asks for")
  step_report tell(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_tell<X, More...>() == fault::other_axpy) ZOFT_REFUSED(
      "the sampler must have axpy for x's numbers too: double for double, and float for others; make it a template")
  step_report tell(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_tell<X, More...>() == fault::read_only)
      ZOFT_REFUSED("x is what is trained, and must be a std::span of numbers that are not const")
  step_report tell(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_tell<X, More...>() == fault::no_span) ZOFT_REFUSED("x must be a std::span: write std::span(x)")
  step_report tell(X&&, More&&...) { return {}; }
  template <class X, class... More>
  requires(fault_of_tell<X, More...>() == fault::losses)
      ZOFT_REFUSED("losses must be a std::span<const double> or a std::vector<double>")
  step_report tell(X&&, More&&...) { return {}; }

  template <class X, class... More>
  requires(fault_of_x<X>(false) == fault::no_span) ZOFT_REFUSED("x must be a std::span: write std::span(x)")
  candidates<float> ask(X&&, More&&...) { return {nullptr, 0, 0}; }
};

}  // namespace zoft::inline ZOFT_ISA
