/// How the engine makes a step, for the first time and again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../concepts.hpp"
#include "../core/number.hpp"
#include "../core/report.hpp"
#include "functors.hpp"
#include "points/tangents.hpp"
#include "reported.hpp"
#include "step_points.hpp"
#include "update/descent.hpp"
#include "update/past.hpp"

namespace zoft::inline ZOFT_ISA {

/// The implementation of engine, which explains what the parts mean to a user.
template <class Sampler, estimator Estimator, adapter Adapter, optimizer Optimizer>
requires sampler<Sampler, float>
class stepper : protected step_points<Sampler, Estimator, Adapter, Optimizer> {
 protected:
  using base = step_points<Sampler, Estimator, Adapter, Optimizer>;
  using base::all_points, base::observes, base::owning;
  using base::begin, base::direction, base::directions, base::forget, base::look, base::moving, base::places,
      base::points_at_theta, base::ready, base::shown, base::shape, base::take_seen, base::view;
  using base::coded_, base::directions_, base::estimator_, base::limit_, base::optimizer_, base::policy_,
      base::sampler_, base::seed_, base::seen_, base::step_;
  using typename base::nothing;

  stepper(Sampler sampler, Estimator estimator, Adapter adapter, Optimizer optimizer, zoft::seed run,
          zoft::per_call limit)
      : base(std::move(sampler), std::move(estimator), std::move(adapter), std::move(optimizer), run, limit),
        moved_(restore_of(policy_)),
        rounding_(rounding_of(policy_)) {}

  /// Whether a step is made again from its losses: coefficients do where nothing else is made of these.
  static constexpr bool records_losses = learning_sampler<Sampler, float> || !keeps_nothing<Estimator>;

  /// Whether all that goes from one step to the next can be written down: policies that keep something have
  /// each_state.
  static constexpr bool shows_state =
      shown_optimizer<Optimizer> &&
      (keeps_nothing<Estimator> || stateful<Estimator>)&&(!learning_sampler<Sampler, float> || stateful<Sampler>);

  /// Shows what goes from one step to the next, beside the parameters and the number of steps.
  template <class F>
  void each_state(F f) {
    state::each(sampler_, f);
    state::each(estimator_, f);
    state::each(optimizer_, f);
    if constexpr (!std::is_empty_v<code_buffer<Adapter>>) coded_.medium().each_state(f);
    if constexpr (keeps_past) past_.each_state(f);
  }

  /// Whether codes can make their residuals again: their changes keep nothing.
  static constexpr bool makes_residuals_again =
      !std::is_empty_v<code_buffer<Adapter>> && elementwise_optimizer<Optimizer>;
  static constexpr bool keeps_past = replaying_optimizer<Optimizer> || makes_residuals_again;

  /// The values of a record.
  std::size_t recorded() const { return records_losses ? estimator_.evaluations() : estimator_.queries; }
  /// Whether x itself is moved from point to point.
  template <class X, class F>
  static constexpr bool walks = [] {
    using V = typename X::value_type;
    if constexpr (observes)
      return false;
    else if constexpr (parameters::is_codes<X>)
      return true;
    else if constexpr (parameters::is_buffer<X> && !owning)
      return functors::takes_one<Estimator, F, std::span<const V>>() &&
             !functors::takes_all<Estimator, F, candidates<V>>();
    else
      return false;
  }();

  /// What x's elements are stored as.
  template <class X>
  using element_of = typename decltype(std::declval<const X&>().span())::value_type;

  /// The functor, behind a type that is the same for all of its form.
  template <class X, class F>
  auto refer(const X& x, F& functor) {
    if constexpr (walks<X, F>)
      return functors::one<Estimator, std::span<const element_of<X>>>(functor);
    else if constexpr (observes)
      return functors::refer<Estimator, decltype(shown(x, {})), observations&>(functor);
    else
      return functors::refer<Estimator, decltype(shown(x, {}))>(functor);
  }

  /// A step that moves x to each point in turn.
  template <parameters::trained X, class F>
  step_report walk(const X& x, F functor) {
    using T = typename X::value_type;
    auto& buffer = [&]() -> auto& {
      if constexpr (parameters::is_codes<X>)
        return coded_;
      else
        return moved_.template of<T>();
    }
    ();
    using element = element_of<X>;
    std::vector<double> losses(estimator_.evaluations(), std::numeric_limits<double>::quiet_NaN());
    excursion moved(buffer, x.span(), moving(x.size(), direction(step_, 0)), sampler_);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const std::optional<point> p = estimation::where<T>(estimator_, i, view(std::span(losses).first(i)));
      if (!p) break;
      moved.to(*p, direction(step_, static_cast<std::uint32_t>(p->query)));
      losses[i] = functors::call_one(estimator_, functor, std::span<const element>(x.span()), i);
    }
    return update(parameters::returning<T, element, decltype(moved)>{x.span(), moved}, losses);
  }

  /// A step that shows candidates, as many at a time as the functor and per_call allow.
  template <parameters::trained X, class F>
  step_report stacked_step(const X& x, F functor) {
    constexpr bool batches = observes || functors::takes_all<Estimator, F, decltype(shown(x, {}))>();
    const std::size_t most = !batches ? 1 : limit_ == 0 ? all_points : limit_;
    if constexpr (observes) forget();  // what a functor that threw has left
    std::vector<double> losses(estimator_.evaluations(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t first = 0; first < losses.size();) {
      const std::size_t end = ready(std::span(losses).first(first));
      for (; first < end; first += std::min(most, end - first)) {
        const auto points = places(x, first, std::min(most, end - first), std::span(losses).first(first));
        if (points.empty()) return update(x, losses);
        if constexpr (observes) {
          const auto at_points = shown(x, points);
          functors::call_all(estimator_, functor, at_points, std::span(losses).subspan(first, points.size()), first,
                             seen_);
        } else if constexpr (batches)
          functors::call_all(estimator_, functor, shown(x, points), std::span(losses).subspan(first, points.size()),
                             first);
        else
          losses[first] = functors::call_one(estimator_, functor, shown(x, points), first);
      }
    }
    return update(x, losses);
  }

  /// A step from exact slopes.
  template <parameters::trained X, class F>
  step_report tangent_step(const X& x, F& functor) {
    using T = typename X::value_type;
    const tangent_slopes exact = slopes_along<typename Estimator::template argument<T>, T>(
        x.values, moving(x.size(), direction(step_, 0)), estimator_.queries, directions(), functor);
    step_report report = update(x, exact.slopes);
    report.probe_loss = estimation::mean(exact.losses);
    return report;
  }

  template <parameters::trained X>
  step_report update(const X& x, std::span<const double> losses) {
    std::vector<double> c(estimator_.queries, std::numeric_limits<double>::quiet_NaN());
    Estimator after = estimator_;
    const bool finite = std::all_of(losses.begin(), losses.end(), is_finite);
    if (finite) estimation::coefficients(after, view(losses), c);
    const bool applied = finite && estimation::fit<arithmetic_t<typename X::value_type>>(c);
    step_report report = reported(step_, optimizer_.rate(step_), estimation::forwards(estimator_), losses, c, applied);
    record(report, records_losses ? losses : std::span<const double>(c));
    if (applied) {
      const std::vector<double> k = learning_sampler<Sampler, typename X::value_type>
                                        ? estimation::curvatures(estimator_, view(losses))
                                        : std::vector<double>();
      estimator_ = std::move(after);
      apply(x, c, k, report);
    }
    end_step();
    return report;
  }

  /// The update of a step that was applied: from its coefficients, and the curvatures that a sampler learns from.
  template <parameters::trained X>
  void apply(const X& x, std::span<double> c, [[maybe_unused]] std::span<const double> k, step_report& report) {
    using T = typename X::value_type;
    const zoft::direction now = direction(step_, 0);
    if constexpr (requires { optimizer_.adapt(c); }) optimizer_.adapt(c);
    const std::vector<extent> parts = moving(x.size(), now);
    const auto past = this->past();
    if constexpr (makes_residuals_again) look_back(past, c);
    report.moved =
        descend(x, parts, optimizer_, sampler_, directions_, past, now, c, report.learning_rate, rounding_).share();
    if constexpr (replaying_optimizer<Optimizer>)
      past_.remember(step_, report.learning_rate, {c.begin(), c.end()}, optimizer_.replays());
    if constexpr (makes_residuals_again) {
      if (!is_idle(c)) past_.remember(step_, report.learning_rate, {c.begin(), c.end()}, remembered(past));
      coded_.medium().make_again({});  // what it was told refers to `past`
    }
    if constexpr (learning_sampler<Sampler, T>) sampler_.template learn<T>(x.values, parts, now, k);
  }

  void record(const step_report& report, std::span<const double> values) {
    record_.step = report.step;
    record_.status = report.status;
    record_.learning_rate = report.learning_rate;
    record_.values.assign(values.begin(), values.end());
    if (report.status != status::ok) std::fill(record_.values.begin(), record_.values.end(), 0.0);
  }

  void end_step() {
    forget();
    ++step_;
  }

  /// Makes a step again from its record. x is at θ, and directions that are observed were shown.
  template <parameters::trained X>
  step_report replay(const X& x, const step_record& r) {
    if constexpr (parameters::is_codes<X>) {
      excursion moved(coded_, x.span(), moving(x.size(), direction(step_, 0)), sampler_);
      using element = element_of<X>;
      moved.to({}, direction(step_, 0));  // the update's rounding is that of the step
      return replay_at(parameters::returning<float, element, decltype(moved)>{x.span(), moved}, r);
    } else {
      return replay_at(x, r);
    }
  }
  template <parameters::trained X>
  step_report replay_at(const X& x, const step_record& r) {
    if (records_losses && r.status == status::ok) {
      require(r.learning_rate == optimizer_.rate(step_), "engine: the rate of step " + text(step_) + " was " +
                                                             text(r.learning_rate) + ", and now is " +
                                                             text(optimizer_.rate(step_)));
      return update(x, r.values);
    }
    const bool applied = r.status == status::ok;
    std::vector<double> c(estimator_.queries, std::numeric_limits<double>::quiet_NaN());
    if (applied) std::copy(r.values.begin(), r.values.end(), c.begin());
    step_report report = reported(step_, r.learning_rate, 0, {}, c, applied);
    report.probe_loss = std::numeric_limits<double>::quiet_NaN();
    record(report, r.values);
    if (applied) apply(x, c, {}, report);
    end_step();
    return report;
  }

  /// Shows an observing sampler the model at θ, as the step that is made again saw it.
  template <parameters::trained X, class F>
  void observe_again(const X& x, F functor) {
    forget();
    std::vector<double> losses(points_at_theta());
    const auto at_theta = shown(x, places(x, 0, losses.size(), {}));
    functors::call_all(estimator_, functor, at_theta, losses, 0, seen_);
    take_seen();
  }

  /// Tells the codes how to make their residuals again. A step that moves nothing leaves these, and is not
  /// remembered.
  template <class Past>
  void look_back(const Past& past, std::span<const double> c) {
    if (policy_.history == 0) return;
    const bool last = !is_idle(c) && remembered(past) == 0;
    coded_.medium().make_again({past.steps(), last, [&](std::size_t j, std::span<float> change, const segment& s) {
                                  const update::piece then = past.piece(j, s.first, s.owner);
                                  float of_piece[most_moved];
                                  const std::span<float> g(of_piece, change.size());
                                  if (past(j, g, then)) optimizer_.template apply<float>(change, g, then);
                                  return then.step;
                                }});
  }
  /// How many steps are remembered for the next update: none after the one that leaves no residual.
  template <class Past>
  std::size_t remembered(const Past& past) const {
    return past.steps() + 1 < policy_.history ? policy_.history : 0;
  }
  static bool is_idle(std::span<const double> c) {
    return std::all_of(c.begin(), c.end(), [](double value) { return value == 0; });
  }

  /// The earlier steps, for a replaying optimizer or codes; `nothing` for others.
  auto past() const {
    if constexpr (keeps_past)
      return past_.replay(sampler_, policy_, shape(), seed_);
    else
      return nothing{};
  }
  in_place_buffers moved_;
  update::update_rounding rounding_;
  [[no_unique_address]] std::conditional_t<keeps_past, past_steps, nothing> past_;
  step_record record_;  // of the last step
};

}  // namespace zoft::inline ZOFT_ISA
