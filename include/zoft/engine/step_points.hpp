/// The policies of a run, and the points that a step evaluates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../concepts.hpp"
#include "../core/number.hpp"
#include "../random/drawn.hpp"
#include "composition.hpp"
#include "directions/at.hpp"
#include "directions/step_directions.hpp"
#include "points/checks.hpp"
#include "points/copies.hpp"
#include "points/extents.hpp"
#include "points/in_place.hpp"
#include "points/model_points.hpp"
#include "points/moves.hpp"
#include "points/parameters.hpp"
#include "points/where.hpp"
#include "trained.hpp"

namespace zoft::inline ZOFT_ISA {

/// The most candidates that a functor is given in one call; 0: all of a step. More candidates need more memory.
struct per_call {
  std::size_t value = 0;
};

/// What stepper makes steps of.
template <class Sampler, estimator Estimator, adapter Adapter, optimizer Optimizer>
requires sampler<Sampler, float>
class step_points : protected trained_by<Sampler, Adapter, Optimizer> {
 protected:
  using base = trained_by<Sampler, Adapter, Optimizer>;
  using base::adapter_, base::moving, base::owning, base::policy_, base::seed_, base::shape;
  static constexpr std::size_t all_points = std::numeric_limits<std::size_t>::max();

  step_points(Sampler sampler, Estimator estimator, Adapter adapter, Optimizer optimizer, zoft::seed run,
              zoft::per_call limit)
      : base(std::move(adapter), run),
        sampler_(std::move(sampler)),
        estimator_(std::move(estimator)),
        optimizer_(std::move(optimizer)),
        limit_(limit.value) {
    composition::check<Sampler, Estimator, Adapter, Optimizer>();
    check();
  }

  /// The name of the direction of a step and query.
  zoft::direction direction(std::uint32_t step, std::uint32_t query) const { return {seed_.value, step, query}; }

  /// Whether directions are made from what the functor shows at θ.
  static constexpr bool observes = observing_sampler<Sampler>;
  template <class X>
  using parameters_of = decltype(std::declval<base&>().trained(std::declval<std::remove_reference_t<X>&>()));

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
    // What is refused can be shown again.
    observations shown = std::exchange(seen_, seen_.unanswered());
    require(!shown.entries().empty(), "engine: the functor showed nothing of the model at θ, where it was asked to");
    shown.check();
    if constexpr (owning) {
      if constexpr (requires { adapter_->observed(std::move(shown)); }) {
        shown = adapter_->observed(std::move(shown));
        if (shown.entries().empty())
          fail(
              "engine: of the linears that the functor showed, 0 have an adapter, and at least 1 must, such as that of "
              "'" +
              shape().begin()->name + "'");
      }
    }
    sampler_.observe(std::move(shown));
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
                                       points, directions(), std::get<held<T>>(stacks_));
      if constexpr (owning)
        return adapter_->show(all);
      else
        return all;
    } else {
      return model_points_.template show<T>(sampler_, directions_, direction(step_, 0), estimator_.queries, shape(),
                                            zoft::trained(policy_, shape(), direction(step_, 0)), points);
    }
  }

  Sampler sampler_;
  Estimator estimator_;
  Optimizer optimizer_;
  std::size_t limit_;
  std::uint32_t step_ = 0;
  std::size_t size_ = 0;
  template <class T>
  using held = std::shared_ptr<std::vector<T>>;
  std::tuple<held<float>, held<double>, held<bfloat16>, held<half>> stacks_;  // of the candidates that are shown
  [[no_unique_address]] code_buffer<Adapter> coded_;
  step_directions<Sampler> directions_;
  model_points<Sampler> model_points_;
  struct nothing {};
  // What was shown in the step in progress, until the sampler has it.
  [[no_unique_address]] std::conditional_t<observes, observations, nothing> seen_;
};

}  // namespace zoft::inline ZOFT_ISA
