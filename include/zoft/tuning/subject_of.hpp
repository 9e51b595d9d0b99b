/// The loss of an engine and a functor along directions, and trial steps that are undone afterwards.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "../engine.hpp"
#include "chosen.hpp"
#include "precision.hpp"
#include "subject.hpp"

namespace zoft::inline ZOFT_ISA::tuning {

/// A functor of either form, with a count of the losses it evaluated.
template <class F>
struct counted {
  F f;
  std::size_t evaluations = 0;

  template <class Shown>
  requires objective<F, Shown>
  double operator()(const Shown& shown) {
    ++evaluations;
    return static_cast<double>(f(shown));
  }

  template <class Shown>
  requires batch_objective<F, Shown>
  void operator()(const Shown& shown, std::span<double> losses) {
    evaluations += losses.size();
    f(shown, losses);
  }

  template <class Shown>
  requires std::invocable<F&, const Shown&, example>
  double operator()(const Shown& shown, example of) {
    ++evaluations;
    return static_cast<double>(f(shown, of));
  }

  template <class Shown>
  requires(std::invocable<F&, const Shown&, example_losses> && !batch_objective<F, Shown>) void operator()(
      const Shown& shown, example_losses losses) {
    evaluations += losses.size();
    f(shown, losses);
  }
};

template <class Engine>
concept owning_engine = requires(Engine& e) {
  e.ask();
};

/// Refers to f in the form that a subject of this engine asks.
template <class Engine, number T, class F>
auto refer(F& f) {
  using estimator_type = std::remove_cvref_t<decltype(std::declval<Engine&>().estimator())>;
  if constexpr (owning_engine<Engine>) {
    using shown = decltype(std::declval<const Engine&>().adapter().show(std::declval<candidates<T>>()));
    return functors::refer<estimator_type, shown>(f);
  } else if constexpr (functors::takes_all<estimator_type, F, candidates<T>>()) {
    return functors::all<estimator_type, candidates<T>>(f);
  } else {
    return functors::one<estimator_type, std::span<const T>>(f);
  }
}

/// Looks at 16 steps, since the radius may be random.
template <class Engine>
stencil stencil_of(const Engine& tuner) {
  const auto& e = tuner.estimator();
  stencil result;
  for (std::uint32_t step = tuner.steps(); step < tuner.steps() + 16; ++step) {
    const step_view view{tuner.direction(step, 0), tuner.optimizer().rate(step), {}};
    std::vector<point> points;
    for (std::size_t i = 0; i < estimation::ready(e, view); ++i) points.push_back(estimation::at(e, i, view));
    for (const point& p : points) {
      const auto mirrors = [&](const point& o) { return o.query == p.query && o.scale == -p.scale; };
      result.central = result.central && (p.scale == 0 || std::any_of(points.begin(), points.end(), mirrors));
      result.reach = std::max(result.reach, std::abs(p.scale) / radiused(e).epsilon);
    }
  }
  return result;
}

/// A copy of the tuner makes the steps. Parameters that the user owns are moved in place, as in any step, and come back
/// bit for bit from a copy, even if f throws. An adapter's parameters are copied with the tuner.
template <class Engine, number T, class F>
class subject_of final : public subject {
 public:
  using batches = std::function<void(std::uint32_t)>;

  /// x is empty if the adapter owns the parameters. batch(i) makes f the loss of batch i; an empty batch means that f
  /// is one function.
  subject_of(const Engine& tuner, std::span<T> x, F f, const batches& batch)
      : tuner_(tuner), engine_(tuner), x_(x), f_{f}, batch_(batch) {
    take_batch(0);
    // Checks the sizes, and starts samplers that keep a state.
    if constexpr (owning)
      engine_.start();
    else
      engine_.start(x);
    kept_.assign(parameters().begin(), parameters().end());
    if constexpr (owning || stacked) moved_ = kept_;
  }
  ~subject_of() override { restore(); }

  double epsilon() const override { return radiused(tuner_.estimator()).epsilon; }
  double learning_rate() const override { return rated(tuner_.optimizer()).learning_rate; }
  std::size_t queries() const override { return tuner_.estimator().queries; }
  stencil points() const override { return stencil_of(tuner_); }
  double size() const override { return size_of<T>(kept_); }
  double roundoff() const override { return tuning::roundoff<T>; }
  double least_normal() const override { return tuning::least_normal<T>; }

  std::size_t evaluations() const override { return (f_.evaluations + examples() - 1) / examples(); }
  std::size_t evaluations_of_a_step() const override { return estimation::forwards(engine_.estimator()); }

  double loss(std::uint32_t first, int n) override {
    double sum = 0;
    for (int i = 0; i < n; ++i) {
      take_batch(first + static_cast<std::uint32_t>(i));
      sum += estimation::mean(losses_of(parameters()));
    }
    return sum / n;
  }
  std::vector<double> losses() override {
    take_batch(0);
    return losses_of(parameters());
  }
  bool has_batches() const override { return static_cast<bool>(batch_); }

  double along(std::uint32_t step, double t) override {
    using A = arithmetic_t<T>;
    const std::span<T> to = owning || stacked ? std::span<T>(moved_) : x_;
    std::copy(kept_.begin(), kept_.end(), to.begin());
    for_each_piece_of_z(step, [&](std::size_t first, std::span<const A> z) {
      random::axpy<T>(to.subspan(first, z.size()), static_cast<A>(t), z.data());
    });
    const std::vector<double> losses = losses_of(to, step % examples());
    restore();
    return losses[step % losses.size()];
  }

  double size_of_z() const override {
    double squares = 0;
    for_each_piece_of_z(0, [&](std::size_t, std::span<const arithmetic_t<T>> z) {
      for (const auto v : z) squares += static_cast<double>(v) * static_cast<double>(v);
    });
    return std::sqrt(squares / static_cast<double>(kept_.size()));
  }

  void begin(double epsilon, double rate) override {
    engine_ = tuner_;
    restore();
    radiused(engine_.estimator()).epsilon = epsilon;
    auto& optimizer = rated(engine_.optimizer());
    optimizer.learning_rate = rate;
    if constexpr (requires { optimizer.schedule = zoft::schedule{}; }) optimizer.schedule = zoft::schedule{};
  }

  step_report step() override {
    take_batch(engine_.steps() - tuner_.steps());
    if constexpr (owning)
      return engine_.step(f_);
    else
      return engine_.step(x_, f_);
  }

  void step_of(double slope, double loss) override {
    const std::uint32_t step = engine_.steps();
    const direction name = engine_.direction(step, 0);
    std::vector<double> losses;
    for (std::size_t i = 0; i < engine_.evaluations(); ++i) {
      const point p = estimation::at(engine_.estimator(), i, {name, engine_.optimizer().rate(step), losses});
      losses.push_back(loss + p.scale * (p.query % 2 == 0 ? slope : -slope));
    }
    if constexpr (owning)
      engine_.tell(losses);
    else
      engine_.tell(x_, losses);
  }

  double moved_by() const override {
    const std::span<const T> now = parameters();
    double squares = 0;
    for (std::size_t i = 0; i < kept_.size(); ++i) {
      using A = arithmetic_t<T>;
      const double d = static_cast<double>(static_cast<A>(now[i])) - static_cast<double>(static_cast<A>(kept_[i]));
      squares += d * d / static_cast<double>(kept_.size());
    }
    return std::sqrt(squares);
  }

 private:
  static constexpr bool owning = owning_engine<Engine>;

  using estimator_type = std::remove_cvref_t<decltype(std::declval<Engine&>().estimator())>;
  static constexpr bool of_examples = estimator_of_examples<estimator_type>;

  static constexpr bool takes_candidates() {
    if constexpr (owning)
      return functors::takes_all<
          estimator_type, F, decltype(std::declval<const Engine&>().adapter().show(std::declval<candidates<T>>()))>();
    else
      return functors::takes_all<estimator_type, F, candidates<T>>();
  }
  static constexpr bool stacked = takes_candidates();

  /// Examples of a batch, if losses are of these; otherwise 1.
  std::size_t examples() const {
    if constexpr (of_examples)
      return engine_.estimator().batch_size();
    else
      return 1;
  }

  const layout& shape() const {
    if constexpr (owning)
      return engine_.adapter().layout();
    else
      return engine_.adapter().layout;
  }

  template <class Each>
  void for_each_piece_of_z(std::uint32_t step, Each each) const {
    using A = arithmetic_t<T>;
    constexpr std::size_t chunk = 2048;
    const direction d = tuner_.direction(tuner_.steps() + step, 0);
    const auto z = zoft::at(engine_.sampler(), d);
    for_each_piece(joined(extents(tuner_.adapter(), shape(), kept_.size(), d)), chunk,
                   [&](std::size_t first, std::size_t n, const tensor*) {
                     A piece[chunk];
                     draw(z, std::span<A>(piece, n), first);
                     each(first, std::span<const A>(piece, n));
                   });
  }

  /// The parameters that the trial has reached.
  std::span<const T> parameters() const {
    if constexpr (owning)
      return engine_.adapter().parameters();
    else
      return x_;
  }

  void take_batch(std::uint32_t i) const {
    if (batch_) batch_(i);
  }

  void restore() {
    if constexpr (!owning) std::copy(kept_.begin(), kept_.end(), x_.begin());
  }

  /// The loss at x, or those of all examples; if these are asked for one at a time, at least that of example `wanted`
  /// unless it is `all`. One candidate per call, however many a step hands out: if a step fits in memory, this does
  /// too. A functor that takes many is shown the point once for each example.
  std::vector<double> losses_of(std::span<const T> x, std::size_t wanted = all) {
    std::vector<double> losses(examples(), std::numeric_limits<double>::quiet_NaN());
    const auto ask = [&](const auto& shown) {
      if constexpr (stacked) {
        functors::call_all(engine_.estimator(), f_, shown, losses, 0);
      } else {
        for (std::size_t i = 0; i < losses.size(); ++i)
          if (wanted == all || wanted == i) losses[i] = functors::call_one(engine_.estimator(), f_, shown, i);
      }
    };
    if constexpr (stacked && of_examples) {
      copies_.clear();
      for (std::size_t i = 0; i < losses.size(); ++i) copies_.insert(copies_.end(), x.begin(), x.end());
    }
    const candidates<T> points = stacked && of_examples ? candidates<T>(copies_.data(), losses.size(), x.size())
                                                        : candidates<T>(x.data(), 1, x.size());
    if constexpr (owning)
      ask(engine_.adapter().show(points));
    else if constexpr (stacked)
      ask(points);
    else
      ask(x);
    return losses;
  }
  static constexpr std::size_t all = std::numeric_limits<std::size_t>::max();

  const Engine& tuner_;
  Engine engine_;
  std::span<T> x_;
  counted<F> f_;
  const batches& batch_;
  std::vector<T> kept_, moved_, copies_;
};

}  // namespace zoft::inline ZOFT_ISA::tuning
