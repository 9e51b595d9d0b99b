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

#include "adapter/extent.hpp"
#include "adapter/in_place.hpp"
#include "adapter/moves.hpp"
#include "concepts.hpp"
#include "estimator/step_view.hpp"
#include "number.hpp"
#include "optimizer/estimate.hpp"
#include "optimizer/past.hpp"
#include "random/drawn.hpp"
#include "report.hpp"
#include "sampler/at.hpp"

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
    return asked<std::remove_const_t<T>>(x, first, count);
  }
  template <class T, std::size_t N>
  requires(!owning &&
           number<std::remove_const_t<T>>) candidates<std::remove_const_t<T>> ask(std::span<T, N> x,
                                                                                  std::span<const double> told) {
    return asked<std::remove_const_t<T>>(x, told);
  }

  /// Updates x by the losses of all points of the step, in the order of the points.
  template <number T, std::size_t N>
  requires(!owning) step_report tell(std::span<T, N> x, std::span<const double> losses) { return told<T>(x, losses); }

  /// One step on x. F: double(std::span<const T>), which sees x itself at each point in turn; or
  /// void(candidates<T>, std::span<double>), which sees copies. Where the adapter restores exactly, x comes back as it
  /// was if F throws.
  template <number T, std::size_t N, class F>
  requires(!owning && !tangent_estimator<Estimator> &&
           (objective<F, std::span<const T>> || batch_objective<F, candidates<T>>)) step_report
      step(std::span<T, N> parameters, F&& functor) {
    const std::span<T> x = parameters;
    begin<T>(x);
    if constexpr (batch_objective<F, candidates<T>>) {
      std::vector<double> losses(evaluations(), std::numeric_limits<double>::quiet_NaN());
      evaluate_copies<T>(x, losses, functor, [](const candidates<T>& c) -> const candidates<T>& { return c; });
      return update<T>(x, losses);
    } else {
      return walk<T>(moved_.template of<T>(), x, functor);
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
  requires(!owning && tangent_objective<Estimator, F, T>) step_report step(std::span<T, N> parameters, F&& functor) {
    const std::span<T> x = parameters;
    begin<T>(x);
    using dual = typename Estimator::template argument<T>;
    std::vector<dual> moving_x(x.begin(), x.end());
    std::vector<double> slopes, losses;
    for (std::size_t query = 0; query < estimator_.queries; ++query) {
      const auto of_query = z(query);
      for_each_piece(moving(x.size()), chunk, [&](std::size_t first, std::size_t n, const tensor*) {
        T piece[chunk] = {};
        of_query.axpy(std::span<T>(piece, n), T{1}, first);
        for (std::size_t j = 0; j < n; ++j) moving_x[first + j].derivative = piece[j];
      });
      const auto loss = functor(std::span<const dual>(moving_x));
      losses.push_back(static_cast<double>(loss.value));
      slopes.push_back(is_finite(losses.back()) ? static_cast<double>(loss.derivative) : losses.back());
    }
    step_report report = update<T>(x, slopes);
    report.probe_loss = estimation::mean(losses);
    return report;
  }

  // Parameters that the adapter owns.

  /// Candidates of the coming step as the adapter shows them, which live until the next ask.
  auto ask(std::size_t first = 0, std::size_t count = all_points) requires owning {
    return own().show(asked<float>(own().parameters(), first, count));
  }
  auto ask(std::span<const double> told) requires owning { return own().show(asked<float>(own().parameters(), told)); }

  step_report tell(std::span<const double> losses) requires owning { return told<float>(own().parameters(), losses); }

  /// One step. F: void(shown, std::span<double>) for all candidates of a call, or double(shown) for one; shown is what
  /// the adapter shows: of lora and lora_fa a low_rank_stack, of the others an adapter_stack.
  template <class F>
  requires owning step_report step(F&& functor) {
    const auto show = [this](const candidates<float>& c) { return own().show(c); };
    using shown = decltype(show(std::declval<candidates<float>>()));
    static_assert(batch_objective<F, shown> || objective<F, shown>,
                  "the functor must take (shown, std::span<double>), or (shown) and return its loss");
    const std::span<float> x = own().parameters();
    begin<float>(x);
    std::vector<double> losses(evaluations(), std::numeric_limits<double>::quiet_NaN());
    if constexpr (batch_objective<F, shown>) {
      evaluate_copies<float>(x, losses, functor, show);
    } else {
      const auto one = [&](const shown& s, std::span<double> loss) { loss[0] = static_cast<double>(functor(s)); };
      evaluate_copies<float>(x, losses, one, show, 1);
    }
    return update<float>(x, losses);
  }

 private:
  static constexpr std::size_t all_points = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t chunk = update::most;  // elements of z, and of ĝ, that exist at a time

  auto& own() {
    require(adapter_.has_value(), "engine: the adapter is not attached to a model yet: call attach first");
    return *adapter_;
  }

  /// z of a query of the coming step, and of an earlier step.
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
  template <number T>
  void begin(std::span<const T> x) {
    static_assert(std::is_empty_v<code_buffer<Adapter>>,
                  "the adapter's parameters are codes: a step on them takes a span of these");
    if (!begins(x.size())) return;
    if constexpr (requires { sampler_.template start<T>(x, shape()); }) sampler_.template start<T>(x, shape());
    require_elements(x.size());
    if constexpr (requires { optimizer_.template start<T>(x, shape()); }) optimizer_.template start<T>(x, shape());
    require_moves<T>(x, moving(x.size()), places<T>(0, estimation::ready(estimator_, view({})), {}),
                     [this](std::size_t query) { return z(query); });
    size_ = x.size();
  }

  /// Point i, given the losses of those before it; none where they have led to no finite one.
  template <number T>
  std::optional<point> where(std::size_t i, std::span<const double> losses) const {
    const point p = estimation::at(estimator_, i, view(losses));
    const auto rounded = static_cast<double>(static_cast<arithmetic_t<T>>(p.scale));
    if (i >= estimation::ready(estimator_, view({}))) return is_finite(rounded) ? std::optional(p) : std::nullopt;
    if ((p.scale != 0 && rounded == 0) || !is_finite(rounded))
      fail("engine: the radius is " + text(p.scale) +
           ", and must be neither 0 nor infinite in the parameters' arithmetic");
    return p;
  }

  /// A step in which x is moved to each point in turn.
  template <number T, class X, class Buffer, class F>
  step_report walk(Buffer& buffer, std::span<X> x, F& functor) {
    std::vector<double> losses(evaluations(), std::numeric_limits<double>::quiet_NaN());
    excursion<Buffer, Sampler> moved(buffer, x, moving(x.size()), sampler_);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const std::optional<point> p = where<T>(i, std::span(losses).first(i));
      if (!p) break;
      moved.to(*p, direction(step_, static_cast<std::uint32_t>(p->query)));
      losses[i] = static_cast<double>(functor(std::span<const X>(x)));
    }
    return update<T>(
        x, losses, [&](auto f) { moved.end(f); }, moved.along());
  }

  template <number T, class F, class Show>
  void evaluate_copies(std::span<const T> x, std::span<double> losses, F& functor, Show show,
                       std::size_t limit = all_points) {
    const std::size_t most = std::min(limit, limit_ == 0 ? all_points : limit_);
    std::size_t first = 0;
    while (first < losses.size()) {
      const std::size_t end = estimation::ready(estimator_, view(losses.first(first)));
      for (; first < end; first += std::min(most, end - first)) {
        const auto points = places<T>(first, std::min(most, end - first), losses.first(first));
        if (points.empty()) return;
        functor(show(copies<T>(x, points)), losses.subspan(first, points.size()));
      }
    }
  }

  /// Points first … first + count − 1; none where one of them is not finite.
  template <number T>
  std::vector<point> places(std::size_t first, std::size_t count, std::span<const double> losses) const {
    std::vector<point> result;
    for (std::size_t i = first; i < first + count; ++i) {
      const std::optional<point> p = where<T>(i, losses);
      if (!p) return {};
      result.push_back(*p);
    }
    return result;
  }

  template <number T>
  candidates<T> asked(std::span<const T> x, std::size_t first, std::size_t count) {
    begin<T>(x);
    const std::size_t known = estimation::ready(estimator_, view({}));
    if (first >= known) fail("engine: candidate " + text(first) + " was asked, and a step has " + text(known));
    return copies<T>(x, places<T>(first, std::min(count, known - first), {}));
  }

  template <number T>
  candidates<T> asked(std::span<const T> x, std::span<const double> told) {
    begin<T>(x);
    if (told.size() > evaluations())
      fail("engine: " + text(told.size()) + " losses were told, and a step has " + text(evaluations()));
    const std::size_t end = estimation::ready(estimator_, view(told));
    return copies<T>(x, places<T>(told.size(), end - told.size(), told));
  }

  /// The points' copies, made a chunk at a time so that each direction's noise is made once for all its points.
  template <number T>
  candidates<T> copies(std::span<const T> x, const std::vector<point>& points) {
    std::vector<T>& stack = stacks_.template of<T>();
    stack.resize(points.size() * x.size());
    for (std::size_t i = 0; i < points.size(); ++i) std::copy(x.begin(), x.end(), stack.data() + i * x.size());
    using A = arithmetic_t<T>;
    const std::vector<extent> parts = joined(moving(x.size()));
    for (std::size_t query = 0; query < estimator_.queries; ++query) {
      const auto of_this = [&](const point& p) { return p.query == query && p.scale != 0; };
      if (std::none_of(points.begin(), points.end(), of_this)) continue;
      const auto of_query = z(query);
      for_each_piece(parts, chunk, [&](std::size_t first, std::size_t n, const tensor*) {
        A piece[chunk];
        std::fill_n(piece, n, A{0});
        of_query.axpy(std::span<A>(piece, n), A{1}, first);
        for (std::size_t i = 0; i < points.size(); ++i)
          if (of_this(points[i]))
            random::axpy<T>(std::span<T>(stack.data() + i * x.size() + first, n), static_cast<A>(points[i].scale),
                            piece);
      });
    }
    return {stack.data(), points.size(), x.size()};
  }

  template <number T>
  step_report told(std::span<T> x, std::span<const double> losses) {
    begin<T>(x);
    if (losses.size() != evaluations())
      fail("engine: " + text(losses.size()) + " losses were told, and a step has " + text(evaluations()));
    return update<T>(x, losses);
  }

  /// x is θ.
  template <number T>
  step_report update(std::span<T> x, std::span<const double> losses) {
    const std::vector<extent> parts = moving(x.size());
    return update<T>(x, losses, [&](auto f) {
      for_each_piece(parts, chunk, [&](std::size_t first, std::size_t n, const tensor* owner) {
        f(x.subspan(first, n), first, owner, static_cast<const arithmetic_t<T>*>(nullptr));
      });
    });
  }

  /// sweep(f) goes over what the step moves, and calls f(piece, first, owner, z) for each piece of x when it is θ, as
  /// numbers of type T; z (n) is that piece of the direction at hand, if there is one.
  template <number T, class X, class Sweep>
  step_report update(std::span<X> x, std::span<const double> losses, Sweep sweep,
                     std::optional<zoft::direction> at_hand = {}) {
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
      apply<T>(x, c, report.learning_rate, sweep, at_hand);
      if constexpr (learning_sampler<Sampler, T>)
        sampler_.template learn<T>(x, moving(x.size()), direction(step_, 0),
                                   estimation::curvatures(estimator_, view(losses)));
    }
    ++step_;
    return report;
  }

  /// x ← optimizer(x, Σ cᵢzᵢ)
  template <number T, class X, class Sweep>
  void apply(std::span<X> x, const std::vector<double>& c, double rate, Sweep sweep,
             std::optional<zoft::direction> at_hand) {
    using A = arithmetic_t<T>;
    if constexpr (factored_optimizer<Optimizer>) {
      sweep([](auto...) {});
      optimizer_.template apply<T>(x, moving(x.size()), sampler_, direction(step_, 0), c, rate);
    } else {
      const estimate<Sampler, A> g_hat(sampler_, c, direction(step_, 0), at_hand);
      const auto past = past_.replay(sampler_, policy_, shape(), seed_);
      sweep([&](std::span<T> theta, std::size_t first, const tensor* owner, const A* z) {
        A of_piece[chunk];
        const std::span<A> g(of_piece, theta.size());
        g_hat(g, first, z);
        const update::piece p{first, owner, rate, step_};
        if constexpr (replaying_optimizer<Optimizer>)
          optimizer_.template apply<T>(theta, g, p, past);
        else
          optimizer_.template apply<T>(theta, g, p);
      });
      if constexpr (replaying_optimizer<Optimizer>) past_.remember(step_, c, optimizer_.replays());
    }
    if constexpr (requires { optimizer_.template finish<T>(x); }) optimizer_.template finish<T>(x);
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
};

}  // namespace zoft::inline ZOFT_ISA
