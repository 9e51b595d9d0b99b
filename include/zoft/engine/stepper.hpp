/// How the engine makes a step: the state of a run, the points around its parameters, and the update.
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
#include "../core/buffers.hpp"
#include "../core/number.hpp"
#include "../core/report.hpp"
#include "../random/drawn.hpp"
#include "composition.hpp"
#include "directions/at.hpp"
#include "directions/step_directions.hpp"
#include "functors.hpp"
#include "points/checks.hpp"
#include "points/copies.hpp"
#include "points/extents.hpp"
#include "points/in_place.hpp"
#include "points/model_points.hpp"
#include "points/moves.hpp"
#include "points/parameters.hpp"
#include "points/tangents.hpp"
#include "points/where.hpp"
#include "reported.hpp"
#include "trained.hpp"
#include "update/descent.hpp"
#include "update/past.hpp"

namespace zoft::inline ZOFT_ISA {

/// The most candidates that a functor is given in one call; 0: all of a step. More candidates need more memory.
struct per_call {
  std::size_t value = 0;
};

/// The implementation of engine, which explains what the parts mean to a user.
template <class Sampler, estimator Estimator, adapter Adapter, optimizer Optimizer>
requires sampler<Sampler, float>
class stepper : protected trained_by<Sampler, Adapter, Optimizer> {
 protected:
  using base = trained_by<Sampler, Adapter, Optimizer>;
  using base::adapter_, base::moving, base::owning, base::policy_, base::seed_, base::shape;
  static constexpr std::size_t all_points = std::numeric_limits<std::size_t>::max();

  stepper(Sampler sampler, Estimator estimator, Adapter adapter, Optimizer optimizer, zoft::seed run,
          zoft::per_call limit)
      : base(std::move(adapter), run),
        sampler_(std::move(sampler)),
        estimator_(std::move(estimator)),
        optimizer_(std::move(optimizer)),
        limit_(limit.value),
        moved_(restore_of(policy_)),
        rounding_(rounding_of(policy_)) {
    composition::check<Sampler, Estimator, Adapter, Optimizer>();
    check();
  }

  /// The name of the direction of a step and query.
  zoft::direction direction(std::uint32_t step, std::uint32_t query) const { return {seed_.value, step, query}; }

  /// Whether directions are made from what the functor shows at θ.
  static constexpr bool observes = observing_sampler<Sampler>;

  /// Whether a step is made again from its losses: coefficients do where nothing else is made of these.
  static constexpr bool records_losses = learning_sampler<Sampler, float> || !keeps_nothing<Estimator>;

  /// Whether all that goes from one step to the next can be written down: policies that keep something have each_state.
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

  template <class X>
  using parameters_of = decltype(std::declval<base&>().trained(std::declval<std::remove_reference_t<X>&>()));

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

  /// z of a query of the coming step.
  auto z(std::size_t query) const { return zoft::at(sampler_, direction(step_, static_cast<std::uint32_t>(query))); }
  auto directions() const {
    return [this](std::size_t query) { return z(query); };
  }

  step_view view(std::span<const double> losses) const { return {direction(step_, 0), optimizer_.rate(step_), losses}; }

  void check() const {
    estimator_.check();
    optimizer_.check();
    if constexpr (requires { policy_.check(); }) policy_.check();
    if constexpr (requires { policy_.check(optimizer_); }) policy_.check(optimizer_);
    if constexpr (requires { estimator_.check(optimizer_); }) estimator_.check(optimizer_);
    if constexpr (estimator_of_examples<Estimator>)
      if (limit_ % estimator_.batch_size() != 0)
        refuse("engine", "per_call", text(limit_),
               "a multiple of the batch's examples, " + text(estimator_.batch_size()));
  }

  /// Checks what may have changed since the last step. Before the first step, also starts the policies that keep state.
  template <parameters::trained X>
  void begin(const X& x) {
    using T = typename X::value_type;
    static_assert(parameters::is_codes<X> || std::is_empty_v<code_buffer<Adapter>>,
                  "the adapter's parameters are codes: a step on them takes a span of these");
    check();
    checks::size(x.size(), shape(), size_);
    if (size_ != 0) return;
    if constexpr (requires { sampler_.start(x.size(), shape()); }) sampler_.start(x.size(), shape());
    if constexpr (parameters::is_buffer<X>)
      if constexpr (requires { sampler_.template start<T>(std::span<const T>(x.values), shape()); })
        sampler_.template start<T>(std::span<const T>(x.values), shape());
    checks::elements(x.size(), random::elements_of(z(0)));
    if constexpr (parameters::is_codes<X>) {
      coded_.medium().start(shape(), policy_.scales, policy_.history == 0);
      if constexpr (requires { optimizer_.template resize<T>(x.size()); }) optimizer_.template resize<T>(x.size());
    } else if constexpr (parameters::is_buffer<X>) {
      const std::span<const T> values = x.values;
      if constexpr (requires { optimizer_.template start<T>(values, shape()); })
        optimizer_.template start<T>(values, shape());
      require_moves<T>(values, moving(x.size(), direction(step_, 0)),
                       places(x, 0, estimation::ready(estimator_, view({})), {}), directions());
    }
    size_ = x.size();
  }

  /// Points first … first + count − 1, given the losses of the points before them. Empty if one of these points is not
  /// finite.
  template <parameters::trained X>
  std::vector<point> places(const X&, std::size_t first, std::size_t count, std::span<const double> losses) const {
    std::vector<point> result;
    for (std::size_t i = first; i < first + count; ++i) {
      const std::optional<point> p = estimation::where<typename X::value_type>(estimator_, i, view(losses));
      if (!p) return {};
      result.push_back(*p);
    }
    return result;
  }

  /// How many points can be evaluated, given the losses so far: an observing sampler has only those at θ at first.
  std::size_t ready(std::span<const double> losses) const {
    if constexpr (observes)
      if (losses.empty()) return points_at_theta();
    return estimation::ready(estimator_, view(losses));
  }

  std::size_t points_at_theta() const {
    std::size_t count = 0;
    while (count < estimator_.evaluations() && estimation::at(estimator_, count, view({})).scale == 0) ++count;
    require(count > 0 && estimator_.queries % count == 0,
            "engine: the sampler needs to see the model at θ, and the estimator begins with " + text(count) +
                " points there, and must with 1, or 1 for each example: take one_sided, or per_example of it");
    return count;
  }

  /// Drops what was made for the step in progress.
  void forget() {
    directions_.clear();
    if constexpr (observes) {
      sampler_.forget();
      seen_ = {};
    }
  }

  /// Before points at θ: asks for what the sampler wants to see there. Before others: gives it that.
  void look(const std::vector<point>& points) {
    const bool at_theta = std::all_of(points.begin(), points.end(), [](const point& p) { return p.scale == 0; });
    if (at_theta && !seen_.asked()) {
      const std::size_t examples = points_at_theta();
      const std::vector<bool> moves = zoft::trained(policy_, shape(), direction(step_, 0));
      std::vector<std::string> names;
      for (std::size_t i = 0; i < moves.size(); ++i)
        if (moves[i]) names.push_back(shape().tensors()[i].name);
      seen_.ask(direction(step_, 0), examples, estimator_.queries / examples, sampler_.rows(), std::move(names));
    } else if (!at_theta && seen_.asked()) {
      take_seen();
    }
  }
  void take_seen() {
    require(!seen_.entries().empty(), "engine: the functor showed nothing of the model at θ, where it was asked to");
    if constexpr (owning) {
      if constexpr (requires { adapter_->observed(std::move(seen_)); })
        sampler_.observe(adapter_->observed(std::move(seen_)));
      else
        sampler_.observe(std::move(seen_));
    } else {
      sampler_.observe(std::move(seen_));
    }
    seen_ = {};
  }

  /// The points in the form that a functor is shown.
  template <parameters::trained X>
  auto shown(const X& x, const std::vector<point>& points) {
    using T = typename X::value_type;
    if constexpr (observes) look(points);
    static_assert(!parameters::is_codes<X>,
                  "codes are moved to one point at a time: use step with a functor of one span");
    if constexpr (parameters::is_buffer<X>) {
      const candidates<T> all = copies(std::span<const T>(x.values), joined(moving(x.size(), direction(step_, 0))),
                                       points, directions(), stacks_.template of<T>());
      if constexpr (owning)
        return adapter_->show(all);
      else
        return all;
    } else {
      return model_points_.template show<T>(sampler_, directions_, direction(step_, 0), estimator_.queries, shape(),
                                            zoft::trained(policy_, shape(), direction(step_, 0)), points);
    }
  }

  /// A step that moves x to each point in turn.
  template <parameters::trained X, class F>
  step_report walk(const X& x, F& functor) {
    using T = typename X::value_type;
    auto& buffer = [&]() -> auto& {
      if constexpr (parameters::is_codes<X>)
        return coded_;
      else
        return moved_.template of<T>();
    }
    ();
    using element = typename decltype(x.span())::value_type;
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
  step_report stacked_step(const X& x, F& functor) {
    using shown_type = decltype(shown(x, {}));
    constexpr bool batches = observes || functors::takes_all<Estimator, F, shown_type>();
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
      using element = typename decltype(x.span())::value_type;
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
  void observe_again(const X& x, F& functor) {
    forget();
    std::vector<double> losses(points_at_theta());
    const auto at_theta = shown(x, places(x, 0, losses.size(), {}));
    functors::call_all(estimator_, functor, at_theta, losses, 0, seen_);
    take_seen();
  }

  /// Tells the codes how to make their residuals again. A step that moves nothing leaves these, and is not remembered.
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
  struct nothing {};

  Sampler sampler_;
  Estimator estimator_;
  Optimizer optimizer_;
  std::size_t limit_;
  std::uint32_t step_ = 0;
  std::size_t size_ = 0;
  update::buffers stacks_;
  in_place_buffers moved_;
  [[no_unique_address]] code_buffer<Adapter> coded_;
  update::update_rounding rounding_;
  [[no_unique_address]] std::conditional_t<keeps_past, past_steps, nothing> past_;
  step_directions<Sampler> directions_;
  model_points<Sampler> model_points_;
  step_record record_;  // of the last step
  observations seen_;   // of the step in progress, until the sampler has it
};

}  // namespace zoft::inline ZOFT_ISA
