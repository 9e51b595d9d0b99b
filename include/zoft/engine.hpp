/// The engine: four policies, and between ask and tell the user's forward functor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "concepts.hpp"
#include "core/buffers.hpp"
#include "core/number.hpp"
#include "core/report.hpp"
#include "engine/directions/at.hpp"
#include "engine/directions/step_directions.hpp"
#include "engine/points/copies.hpp"
#include "engine/points/extents.hpp"
#include "engine/points/in_place.hpp"
#include "engine/points/model_points.hpp"
#include "engine/points/moves.hpp"
#include "engine/points/parameters.hpp"
#include "engine/points/where.hpp"
#include "engine/update/descent.hpp"
#include "engine/update/past.hpp"
#include "random/drawn.hpp"

namespace zoft::inline ZOFT_ISA {

/// How many candidates a functor is handed in one call, at most; 0: all of a step. Memory for copies grows with it.
struct per_call {
  std::size_t value = 0;
};

/// θ ← optimizer(θ, Σ cᵢz(seed, step, i)), where the estimator turns losses at points around θ into the cᵢ.
///
/// The engine never sees a model. `ask` hands out candidates, `tell` takes their losses and updates, `step` is the two
/// with the functor between them. A functor takes either one point and returns its loss, or all candidates of a call
/// and a span for their losses; which of the two is seen from its type. Both give the same parameters, bit for bit.
///
/// A step one of whose losses is not finite is reported and not applied. The policies are checked when the engine is
/// made, and an adapter when it is attached: what is wrong throws std::invalid_argument.
template <class Sampler, estimator Estimator, adapter Adapter, optimizer Optimizer>
requires sampler<Sampler, float>
class engine {
  static constexpr bool owning = owning_adapter<Adapter>;
  template <class A>
  struct made_by {
    using type = typename A::attached;
  };
  using attached = std::conditional_t<owning, made_by<Adapter>, std::type_identity<Adapter>>;

 public:
  engine(Sampler sampler, Estimator estimator, Adapter adapter, Optimizer optimizer, zoft::seed run = {},
         zoft::per_call limit = {})
      : sampler_(std::move(sampler)),
        estimator_(std::move(estimator)),
        policy_(std::move(adapter)),
        optimizer_(std::move(optimizer)),
        seed_(run),
        limit_(limit.value),
        moved_(restore_of(policy_)) {
    composition::check<Sampler, Estimator, Adapter, Optimizer>();
    check();
  }

  /// Makes the adapter's parameters for a model: for whatever has a layout() of linears, or has what the adapter asks.
  template <class Model>
  requires owning void attach(const Model& model) {
    if constexpr (requires { policy_.attach(model, seed_); })
      adapter_.emplace(policy_.attach(model, seed_));
    else
      adapter_.emplace(policy_.attach(model.layout(), seed_));
  }

  /// What is trained: to look at, to save, to generate with.
  const auto& adapter() const {
    if constexpr (owning) {
      require(adapter_.has_value(), "engine: the adapter is not attached to a model yet: call attach first");
      return *adapter_;
    } else {
      return policy_;
    }
  }

  const Sampler& sampler() const { return sampler_; }
  const Estimator& estimator() const { return estimator_; }
  const Optimizer& optimizer() const { return optimizer_; }
  Estimator& estimator() { return estimator_; }  ///< ε and q may be changed between steps; they are checked again
  Optimizer& optimizer() { return optimizer_; }  ///< so may the rate
  std::uint32_t steps() const { return step_; }  ///< steps told so far, rejected ones included
  std::size_t evaluations() const { return estimator_.evaluations(); }  ///< losses a step

  /// The name of the direction of any step and query: sampler().axpy(x, a, direction(step, query)) makes it again.
  zoft::direction direction(std::uint32_t step, std::uint32_t query) const { return {seed_.value, step, query}; }

  // The user's own buffer.

  /// Candidates first … first + count − 1 of the coming step around x, as copies that live until the next ask. Without
  /// a count, all. Ranges let several callers share a step; x is not written. Where points depend on earlier losses,
  /// those of the first round; the others are had by the losses told so far.
  template <class T, std::size_t N>
  requires(!owning && number<std::remove_const_t<T>>)
      candidates<std::remove_const_t<T>> ask(std::span<T, N> x, std::size_t first = 0, std::size_t count = all_points) {
    return asked(parameters::buffer<const T>{x}, first, count);
  }
  template <class T, std::size_t N>
  requires(!owning &&
           number<std::remove_const_t<T>>) candidates<std::remove_const_t<T>> ask(std::span<T, N> x,
                                                                                  std::span<const double> told) {
    return asked(parameters::buffer<const T>{x}, told);
  }

  /// Updates x by the losses of all points of the step, in the order of the points.
  template <number T, std::size_t N>
  requires(!owning) step_report tell(std::span<T, N> x, std::span<const double> losses) {
    return told(parameters::buffer<T>{x}, losses);
  }

  /// One step on x. F: double(std::span<const T>), which sees x itself at each point in turn; or
  /// void(candidates<T>, std::span<double>), which sees copies. Where the adapter restores exactly, x comes back as it
  /// was if F throws.
  template <number T, std::size_t N, class F>
  requires(!owning && !tangent_estimator<Estimator> &&
           (objective<F, std::span<const T>> || batch_objective<F, candidates<T>>)) step_report
      step(std::span<T, N> x, F&& functor) {
    const parameters::buffer<T> all{x};
    if constexpr (batch_objective<F, candidates<T>>) {
      return stacked_step(all, functor);
    } else {
      begin(all);
      return walk<T>(moved_.template of<T>(), all.values, functor);
    }
  }

  /// One step on codes of the parameters: see quantised. F: double(std::span<const C>), which sees the codes
  /// themselves.
  template <class C, std::size_t N, class F>
  requires(coded_adapter<Adapter, C>&& objective<F, std::span<const C>>) step_report
      step(std::span<C, N> codes, F&& functor) {
    if (begins(codes.size())) {
      require_elements(codes.size());
      coded_.medium().start(shape(), policy_.scales);
      if constexpr (requires { optimizer_.template resize<float>(codes.size()); })
        optimizer_.template resize<float>(codes.size());
      size_ = codes.size();
    }
    return walk<float>(coded_, std::span<C>(codes), functor);
  }

  /// One step on x by exact slopes. F takes std::span<const dual<T>>, numbers that carry their derivative along z, and
  /// returns its loss as one.
  template <number T, std::size_t N, class F>
  requires(!owning && tangent_objective<Estimator, F, T>) step_report step(std::span<T, N> x, F&& functor) {
    const parameters::buffer<T> all{x};
    begin(all);
    using dual = typename Estimator::template argument<T>;
    std::vector<dual> moving_x(x.begin(), x.end());
    std::vector<double> slopes, losses;
    for (std::size_t query = 0; query < estimator_.queries; ++query) {
      const auto of_query = z(query);
      for_each_piece(moving(x.size()), update::most, [&](std::size_t first, std::size_t n, const tensor*) {
        T piece[update::most];
        draw(of_query, std::span<T>(piece, n), first);
        for (std::size_t j = 0; j < n; ++j) moving_x[first + j].derivative = piece[j];
      });
      const auto loss = functor(std::span<const dual>(moving_x));
      losses.push_back(static_cast<double>(loss.value));
      slopes.push_back(is_finite(losses.back()) ? static_cast<double>(loss.derivative) : losses.back());
    }
    step_report report = update(all, slopes);
    report.probe_loss = estimation::mean(losses);
    return report;
  }

  // The weights of a model that keeps them itself: they are written by the update only, a piece at a time, and no
  // buffer of their size is made. The adapter is full, subset or blocks, of the model's weights_layout(); full's may be
  // empty.

  /// Candidates of the coming step as what is added beside the weights, which live until the next ask.
  template <weighted_model Model>
  requires(!owning) auto ask(Model& model, std::size_t first = 0, std::size_t count = all_points) {
    return asked(weights_of(model), first, count);
  }
  template <weighted_model Model>
  requires(!owning) auto ask(Model& model, std::span<const double> told) { return asked(weights_of(model), told); }

  template <weighted_model Model>
  requires(!owning) step_report tell(Model& model, std::span<const double> losses) {
    return told(weights_of(model), losses);
  }

  /// One step. F: void(shown, std::span<double>) for all candidates of a call, or double(shown) for one; shown is an
  /// adapter_stack where directions are of low rank, and else weight_points.
  template <weighted_model Model, class F>
  requires(!owning) step_report step(Model& model, F&& functor) { return stacked_step(weights_of(model), functor); }

  // Parameters that the adapter owns.

  /// Candidates of the coming step as the adapter shows them, which live until the next ask.
  auto ask(std::size_t first = 0, std::size_t count = all_points) requires owning {
    return asked(owned(), first, count);
  }
  auto ask(std::span<const double> told) requires owning { return asked(owned(), told); }

  step_report tell(std::span<const double> losses) requires owning { return told(owned(), losses); }

  /// One step. F: void(shown, std::span<double>) for all candidates of a call, or double(shown) for one; shown is what
  /// the adapter shows: of lora and lora_fa a low_rank_stack, of the others an adapter_stack.
  template <class F>
  requires owning step_report step(F&& functor) { return stacked_step(owned(), functor); }

 private:
  static constexpr std::size_t all_points = std::numeric_limits<std::size_t>::max();

  parameters::buffer<float> owned() {
    require(adapter_.has_value(), "engine: the adapter is not attached to a model yet: call attach first");
    return {adapter_->parameters()};
  }

  template <class Model>
  parameters::weights_of<Model> weights_of(Model& model) {
    parameters::check_without_buffer<Sampler, Optimizer>();
    const layout weights = model.weights_layout();
    if (policy_.layout.empty()) policy_.layout = weights;
    require(policy_.layout == weights,
            "engine: the model's weights are not those of the layout, which must be its weights_layout()");
    return {model, policy_.layout};
  }

  /// z of a query of the coming step.
  auto z(std::size_t query) const { return zoft::at(sampler_, direction(step_, static_cast<std::uint32_t>(query))); }

  const layout& shape() const {
    if constexpr (owning)
      return adapter_->layout();
    else
      return policy_.layout;
  }

  std::vector<extent> moving(std::size_t size) const { return extents(policy_, shape(), size, direction(step_, 0)); }

  step_view view(std::span<const double> losses) const { return {direction(step_, 0), optimizer_.rate(step_), losses}; }

  void check() const {
    estimator_.check();
    optimizer_.check();
    if constexpr (requires { policy_.check(); }) policy_.check();
    if constexpr (requires { estimator_.check(optimizer_); }) estimator_.check(optimizer_);
  }

  /// Checks what may have changed since the last step, of n parameters. Whether it is the first.
  bool begins(std::size_t n) const {
    check();
    if (n == 0) fail("engine: the parameters are an empty span, and must be at least one number");
    if (!shape().empty() && shape().size() != n)
      fail("engine: the parameters are " + text(n) + " numbers, and the layout has " + text(shape().size()));
    if (size_ != 0 && size_ != n)
      fail("engine: the parameters are " + text(n) + " numbers, and were " + text(size_) + " before");
    return size_ == 0;
  }

  void require_elements(std::size_t n) const {
    const std::uint64_t elements = random::elements_of(z(0));
    if (elements < n) fail("engine: the parameters are " + text(n) + " numbers, and the sampler has " + text(elements));
  }

  /// The same, and starts the policies that keep state before the first.
  template <class X>
  void begin(const X& x) {
    using T = typename X::value_type;
    static_assert(std::is_empty_v<code_buffer<Adapter>>,
                  "the adapter's parameters are codes: a step on them takes a span of these");
    if (!begins(x.size())) return;
    if constexpr (requires { sampler_.start(x.size(), shape()); }) sampler_.start(x.size(), shape());
    if constexpr (parameters::is_buffer<X>)
      if constexpr (requires { sampler_.template start<T>(std::span<const T>(x.values), shape()); })
        sampler_.template start<T>(std::span<const T>(x.values), shape());
    require_elements(x.size());
    if constexpr (parameters::is_buffer<X>) {
      const std::span<const T> values = x.values;
      if constexpr (requires { optimizer_.template start<T>(values, shape()); })
        optimizer_.template start<T>(values, shape());
      require_moves<T>(values, moving(x.size()), places<T>(0, estimation::ready(estimator_, view({})), {}),
                       [this](std::size_t query) { return z(query); });
    }
    size_ = x.size();
  }

  /// Points first … first + count − 1, given the losses of those before them; none where one of them is not finite.
  template <number T>
  std::vector<point> places(std::size_t first, std::size_t count, std::span<const double> losses) const {
    std::vector<point> result;
    for (std::size_t i = first; i < first + count; ++i) {
      const std::optional<point> p = estimation::where<T>(estimator_, i, view(losses));
      if (!p) return {};
      result.push_back(*p);
    }
    return result;
  }

  /// What a functor is shown of the points.
  template <class X>
  auto shown(const X& x, const std::vector<point>& points) {
    if constexpr (parameters::is_buffer<X>) {
      using T = typename X::value_type;
      const candidates<T> all = copies(
          std::span<const T>(x.values), joined(moving(x.size())), points,
          [this](std::size_t query) { return z(query); }, stacks_.template of<T>());
      if constexpr (owning)
        return adapter_->show(all);
      else
        return all;
    } else {
      return model_points_.template show<typename X::value_type>(
          sampler_, directions_, direction(step_, 0), estimator_.queries, shape(),
          trained(policy_, shape(), direction(step_, 0)), points);
    }
  }

  template <class X, class F>
  step_report stacked_step(const X& x, F& functor) {
    using shown_type = decltype(shown(x, {}));
    static_assert(batch_objective<F, shown_type> || objective<F, shown_type>,
                  "the functor must take (shown, std::span<double>), or (shown) and return its loss");
    begin(x);
    std::vector<double> losses(evaluations(), std::numeric_limits<double>::quiet_NaN());
    if constexpr (batch_objective<F, shown_type>) {
      evaluate(x, losses, functor, limit_ == 0 ? all_points : limit_);
    } else {
      const auto one = [&](const shown_type& s, std::span<double> loss) { loss[0] = static_cast<double>(functor(s)); };
      evaluate(x, losses, one, 1);
    }
    return update(x, losses);
  }

  /// Calls the functor for the points of a step, at most so many at a time.
  template <class X, class F>
  void evaluate(const X& x, std::span<double> losses, F& functor, std::size_t most) {
    std::size_t first = 0;
    while (first < losses.size()) {
      const std::size_t end = estimation::ready(estimator_, view(losses.first(first)));
      for (; first < end; first += std::min(most, end - first)) {
        const auto points = places<typename X::value_type>(first, std::min(most, end - first), losses.first(first));
        if (points.empty()) return;
        functor(shown(x, points), losses.subspan(first, points.size()));
      }
    }
  }

  template <class X>
  auto asked(const X& x, std::size_t first, std::size_t count) {
    begin(x);
    const std::size_t known = estimation::ready(estimator_, view({}));
    if (first >= known) fail("engine: candidate " + text(first) + " was asked, and a step has " + text(known));
    return shown(x, places<typename X::value_type>(first, std::min(count, known - first), {}));
  }

  template <class X>
  auto asked(const X& x, std::span<const double> told) {
    begin(x);
    if (told.size() > evaluations())
      fail("engine: " + text(told.size()) + " losses were told, and a step has " + text(evaluations()));
    const std::size_t end = estimation::ready(estimator_, view(told));
    return shown(x, places<typename X::value_type>(told.size(), end - told.size(), told));
  }

  /// A step in which x is moved to each point in turn.
  template <number T, class X, class Buffer, class F>
  step_report walk(Buffer& buffer, std::span<X> x, F& functor) {
    std::vector<double> losses(evaluations(), std::numeric_limits<double>::quiet_NaN());
    excursion<Buffer, Sampler> moved(buffer, x, moving(x.size()), sampler_);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const std::optional<point> p = estimation::where<T>(estimator_, i, view(std::span(losses).first(i)));
      if (!p) break;
      moved.to(*p, direction(step_, static_cast<std::uint32_t>(p->query)));
      losses[i] = static_cast<double>(functor(std::span<const X>(x)));
    }
    return update(parameters::returning<T, X, excursion<Buffer, Sampler>>{x, moved}, losses);
  }

  template <class X>
  step_report told(const X& x, std::span<const double> losses) {
    begin(x);
    if (losses.size() != evaluations())
      fail("engine: " + text(losses.size()) + " losses were told, and a step has " + text(evaluations()));
    return update(x, losses);
  }

  template <class X>
  step_report update(const X& x, std::span<const double> losses) {
    using T = typename X::value_type;
    step_report report;
    report.step = step_;
    report.learning_rate = optimizer_.rate(step_);
    report.evaluations = estimation::forwards(estimator_);
    report.probe_loss = estimation::mean(losses);
    std::vector<double> c(estimator_.queries, std::numeric_limits<double>::quiet_NaN());
    // A slope that a double can hold may be infinite in the arithmetic of the update.
    const auto usable = [](double v) { return is_finite(static_cast<double>(static_cast<arithmetic_t<T>>(v))); };
    bool applied = std::all_of(losses.begin(), losses.end(), is_finite);
    Estimator after = estimator_;
    if (applied) {
      estimation::coefficients(after, view(losses), c);
      applied = std::all_of(c.begin(), c.end(), usable);
    }
    for (const double value : c) report.projected_gradients.push_back(value * static_cast<double>(c.size()));
    if (!applied) report.status = status::not_finite;
    if (applied) {
      estimator_ = std::move(after);
      if constexpr (requires { optimizer_.adapt(std::span<double>(c)); }) optimizer_.adapt(std::span<double>(c));
      descend(x, moving(x.size()), optimizer_, sampler_, directions_, past_.replay(sampler_, policy_, shape(), seed_),
              direction(step_, 0), c, report.learning_rate);
      if constexpr (replaying_optimizer<Optimizer>) past_.remember(step_, c, optimizer_.replays());
      if constexpr (learning_sampler<Sampler, T>)
        sampler_.template learn<T>(x.values, moving(x.size()), direction(step_, 0),
                                   estimation::curvatures(estimator_, view(losses)));
    }
    directions_.clear();
    ++step_;
    return report;
  }

  Sampler sampler_;
  Estimator estimator_;
  Adapter policy_;
  Optimizer optimizer_;
  zoft::seed seed_;
  std::size_t limit_;
  std::uint32_t step_ = 0;
  std::size_t size_ = 0;
  std::optional<typename attached::type> adapter_;
  update::buffers stacks_;
  in_place_buffers moved_;
  [[no_unique_address]] code_buffer<Adapter> coded_;
  past_steps past_;
  step_directions<Sampler> directions_;
  model_points<Sampler> model_points_;
};

}  // namespace zoft::inline ZOFT_ISA
