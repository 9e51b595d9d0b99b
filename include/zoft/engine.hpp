/// The engine, which joins four policies and leaves evaluating the losses to the user.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "concepts.hpp"
#include "core/report.hpp"
#include "engine/points/checks.hpp"
#include "engine/refused.hpp"
#include "engine/stepper.hpp"

namespace zoft::inline ZOFT_ISA {

/// θ ← optimizer(θ, Σ cᵢz(seed, step, i)), where the estimator turns losses at points around θ into the cᵢ.
///
/// The engine never evaluates a model. `ask` hands out candidates, `tell` takes their losses and updates, and `step`
/// does both, with the functor in between. All three take x, what is trained:
///
///     std::span<T>        numbers that the user owns
///     weighted_model      a model that keeps its own weights: only the update changes them, and they are never copied
///     std::span<int8_t>   8-bit codes, with the adapter `quantised`; for `step` alone
///     nothing             parameters that the adapter owns: attach it to a model first
///
/// If any loss is not finite, the step is reported but not applied. The policies are checked when the engine is made
/// and at each step, an owning adapter when it is attached. Errors throw std::invalid_argument.
template <class Sampler, estimator Estimator, adapter Adapter, optimizer Optimizer>
requires sampler<Sampler, float>
class engine<Sampler, Estimator, Adapter, Optimizer> : refusing<Sampler, Estimator, Adapter, Optimizer> {
  using base = refusing<Sampler, Estimator, Adapter, Optimizer>;
  using base::all_points, base::begin, base::observe_again, base::owning, base::places, base::ready, base::refer,
      base::shown, base::stacked_step, base::tangent_step, base::trained, base::update, base::walk;
  using base::estimator_, base::optimizer_, base::sampler_, base::step_;
  using typename base::fault;
  using typename base::own;
  template <class X>
  using parameters_of = typename base::template parameters_of<X>;

 public:
  /// Throws std::invalid_argument if an option of a policy is out of range.
  engine(Sampler sampler, Estimator estimator, Adapter adapter, Optimizer optimizer, zoft::seed run = {},
         zoft::per_call limit = {})
      : base(std::move(sampler), std::move(estimator), std::move(adapter), std::move(optimizer), run, limit) {}

  /// Makes the adapter's parameters for a model: anything with a layout() of linears, or with what the adapter asks
  /// for.
  using base::attach;

  /// The adapter, in its attached form if it owns parameters: to inspect, save or generate with.
  const auto& adapter() const { return base::adapter(); }

  /// The policies, as they are now.
  /// @{
  const Sampler& sampler() const { return sampler_; }
  const Estimator& estimator() const { return estimator_; }
  const Optimizer& optimizer() const { return optimizer_; }
  /// @}

  Estimator& estimator() { return estimator_; }  ///< ε and q may be changed between steps; they are checked again
  Optimizer& optimizer() { return optimizer_; }  ///< the rate may be changed, too
  std::uint32_t steps() const { return step_; }  ///< steps told so far, including rejected ones
  /// Losses a step: how many `tell` wants. If each is of one of a batch's B examples, that is B for each forward of the
  /// batch, and step_report::evaluations counts these.
  std::size_t evaluations() const { return estimator_.evaluations(); }

  /// The last step, in the few numbers from which `replay` makes it again; empty before the first.
  const step_record& record() const { return base::record_; }
  std::size_t recorded() const { return base::recorded(); }  ///< how many values it has
  using base::observes;        ///< whether directions are made of what the functor shows, so that replay needs it, too
  using base::records_losses;  ///< whether these numbers are the losses, and not the coefficients

  // For calls that are wrong: see engine/refused.hpp.
  using base::ask, base::step, base::tell;

  /// The name of the direction of any step and query: sampler().axpy(x, a, direction(step, query)) makes it again.
  using base::direction;

  /// Candidates first … first + count − 1 of the coming step; all from `first` on without a count. Several callers can
  /// share a step by asking for different ranges. If points depend on earlier losses, only those of the first round are
  /// available here.
  ///
  /// For a span, candidates are copies, so read access is enough. They stay as they are for as long as they are held.
  /// For a model, they are what is added beside its weights, and valid until the next ask: an adapter_stack if
  /// directions are of low rank, otherwise weight_points. For an adapter that owns its
  /// parameters, they are what the adapter shows: a low_rank_stack for lora and lora_fa, an adapter_stack for the
  /// others.
  template <class X>
  requires requires { typename parameters_of<X>; }
  auto ask(X&& x, std::size_t first = 0, std::size_t count = all_points) {
    const auto all = trained(x);
    begin(all);
    const std::size_t known = ready({});
    checks::candidate(first, known);
    return shown(all, places(all, first, std::min(count, known - first), {}));
  }

  /// Candidates first … first + count − 1 of the next round, counted from its first, given the losses of all rounds
  /// before it; all from `first` on without a count. After the last round there are none.
  template <class X>
  requires requires { typename parameters_of<X>; }
  auto ask(X&& x, std::span<const double> told, std::size_t first = 0, std::size_t count = all_points) {
    const auto all = trained(x);
    begin(all);
    checks::losses(told.size() <= evaluations(), told.size(), evaluations());
    const std::size_t known = ready(told), from = told.size() + first;
    if (first > 0) checks::candidate(from, known);
    return shown(all, places(all, from, std::min(count, known - from), told));
  }

  /// With an observing sampler: what the functor shows between ask, whose candidates are all at θ, and ask(told).
  observations& seen() requires base::observes { return base::seen_; }

  /// Updates x from the losses of all points of the step, in the order of the points.
  template <class X>
  requires(base::template fault_of_x<X>() == fault::none) step_report tell(X&& x, std::span<const double> losses) {
    const auto all = trained(x);
    begin(all);
    checks::losses(losses.size() == evaluations(), losses.size(), evaluations());
    return update(all, losses);
  }

  /// One step on x. The functor has one of these forms. The first three give the same parameters, bit for bit, unless
  /// the adapter's `restore` is drifting:
  ///
  ///     double(std::span<const T>)                    sees the user's span itself, moved to each point in turn; it
  ///                                                   comes back even if the functor throws, unless drifting
  ///     void(const Candidates&, std::span<double>)    sees candidates (see ask) and writes a loss for each
  ///     double(const Candidate&)                      sees one candidate and returns its loss
  ///     dual<T>(std::span<const dual<T>>)             sees numbers with a derivative; for estimators of exact slopes
  ///
  /// With an observing sampler it is void(const Candidates&, std::span<double>, observations&). If each loss is of one
  /// example (see per_example), example_losses stands in place of std::span<double>, and a functor of one point takes a
  /// zoft::example, too. The compiler refuses others, and says what is wanted.
  template <class X, class F>
  requires(base::template fault_of_step<X, F>() == fault::none) step_report step(X&& x, F&& functor) {
    const auto all = trained(x);
    begin(all);
    if constexpr (tangent_estimator<Estimator>)
      return tangent_step(all, functor);
    else if constexpr (base::template walks<decltype(all), F>)
      return walk(all, refer(all, functor));
    else
      return stacked_step(all, refer(all, functor));
  }

  /// The same with losses that are evaluated elsewhere: by zoft::mpi::ranks, on many machines.
  template <class X, class F, class Where>
  requires(requires { typename parameters_of<X>; } && evaluator<Where, engine, X, F>) step_report
      step(X&& x, F&& functor, Where&& where) {
    return tell(x, where.losses(*this, x, functor));
  }

  /// Makes the coming step again from its record, without its losses: x, the state of all policies, and steps() become
  /// what they were after it, bit for bit, if x and they are what they were before it. The rate is that of the record.
  /// This needs the same policies and the same seed, the same noise version, and `restore` must be exact. Of the
  /// report, probe_loss is NaN, and no losses were evaluated.
  template <class X>
  requires requires { typename parameters_of<X>; }
  step_report replay(X&& x, const step_record& r) requires(!base::observes) {
    const auto all = trained(x);
    begin(all);
    checks::record(r.step, step_, r.values.size(), base::recorded());
    return base::replay(all, r);
  }

  /// With an observing sampler, the functor of `step` must show the model at θ again on that step's batch: one forward.
  template <class X, class F>
  requires(requires { typename parameters_of<X>; } && base::observes) step_report
      replay(X&& x, const step_record& r, F&& functor) {
    const auto all = trained(x);
    begin(all);
    checks::record(r.step, step_, r.values.size(), base::recorded());
    if (r.status == status::ok) observe_again(all, refer(all, functor));
    return base::replay(all, r);
  }

  using base::shows_state;  ///< whether each_state has all that goes from one step to the next

  /// Calls f(part) for all that the policies keep from one step to the next (core/state.hpp). `start` comes first.
  template <class F>
  void each_state(F f) requires(base::shows_state) {
    base::each_state(f);
  }

  /// Starts the policies on the parameters that the run begins with, as the first step does.
  /// @{
  template <class X>
  requires requires { typename parameters_of<X>; }
  void start(X&& x) { begin(trained(x)); }
  void start() requires owning { begin(trained(own{})); }
  /// @}

  /// Goes to step `step` without the steps before it. The policies must be started, and x and each_state be what they
  /// were there.
  void skip_to(std::uint32_t step) requires(base::shows_state) { step_ = step; }
  /// The same for adapters that own their parameters: x has their values.
  void skip_to(std::span<const float> x, std::uint32_t step) requires(owning&& base::shows_state) {
    const std::span<float> own_values = trained(own{}).values;
    checks::size(x.size(), base::shape(), own_values.size());
    std::copy(x.begin(), x.end(), own_values.begin());
    skip_to(step);
  }

  /// The same for adapters that own their parameters.
  /// @{
  auto ask(std::size_t first = 0, std::size_t count = all_points) requires owning { return ask(own{}, first, count); }
  auto ask(std::span<const double> told, std::size_t first = 0, std::size_t count = all_points) requires owning {
    return ask(own{}, told, first, count);
  }
  step_report tell(std::span<const double> losses) requires owning { return tell(own{}, losses); }
  template <class F>
  requires(owning&& base::template fault_of_step<F>() == fault::none) step_report step(F&& functor) {
    return step(own{}, functor);
  }
  template <class F, class Where>
  requires(owning&& evaluator<Where, engine, own, F>) step_report step(F&& functor, Where&& where) {
    return step(own{}, functor, where);
  }
  template <class... F>
  requires owning step_report replay(const step_record& r, F&&... functor) { return replay(own{}, r, functor...); }
  /// @}
};

}  // namespace zoft::inline ZOFT_ISA
