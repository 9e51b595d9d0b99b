/// One run of minimize: steps, and looks at the loss between them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "../core/functor_ref.hpp"
#include "../engine/estimation/spread.hpp"
#include "../mezo.hpp"
#include "../tuning/brief.hpp"
#include "../tuning/precision.hpp"
#include "options.hpp"
#include "rate_control.hpp"
#include "space.hpp"

namespace zoft::inline ZOFT_ISA::minimizing {

/// Steps of mezo on y, with a look at the loss at y itself between them: every ten steps, which is a twentieth of the
/// evaluations with q = 1; where f is noisy, forty times a run, the mean of as many values as make it a tenth.
///
/// A look keeps the best point. If the loss there is above that of the start, or not finite, the run goes back to the
/// best point and halves the rate. If η was measured, then also: the rate follows what steps bring, see rate_control;
/// it is halved where the best point has not been improved for twenty looks; and where f is noisy, it falls linearly to
/// 0 over the run instead, as noise keeps a run of constant rate at a distance from the minimum (Defazio et al. 2023,
/// arXiv:2310.07831).
template <number T>
class run {
 public:
  run(std::span<T> x, functor_ref<double(std::span<const T>)> f, const minimize_options& o)
      : o_(o),
        x_(x),
        f_(f),
        space_(x, o.lower, o.upper, o.scale),
        tuner_(mezo({.epsilon = o.epsilon.value_or(1e-4),
                     .learning_rate = o.learning_rate.value_or(1e-3),
                     .queries = o.queries,
                     .schedule = o.schedule,
                     .seed = o.seed})) {
    check();
    if (space_.maps()) {
      mapped_.assign(x.begin(), x.end());
      space_.moved(x, mapped_);
    }
    y_ = space_.maps() ? std::span<T>(mapped_) : x;
    most_ = o.evaluations;
    if (o.steps == 0 && o.evaluations == 0 && o.seconds == 0) most_ = 10'000 + 100 * x.size();
  }
  run(const run&) = delete;
  run& operator=(const run&) = delete;

  /// If f has thrown, x becomes the best point.
  ~run() {
    if (!done_) leave_at(best_);
  }

  report operator()() {
    begin();
    for (;;) {
      if (since_look_ >= every_) look();
      if (ended()) break;
      step();
    }
    finish();
    return std::move(r_);
  }

 private:
  struct best_at {
    std::uint32_t step;
    double loss;
  };

  void check() const {
    require(!x_.empty(), "minimize: x is empty, and must be at least one number");
    require(o_.tolerance >= 0 && o_.tolerance < 1, "minimize", "tolerance", o_.tolerance, "from 0 to below 1");
    require(o_.seconds >= 0, "minimize", "seconds", o_.seconds, "at least 0");
    require(!std::isnan(o_.target), "minimize", "target", o_.target, "a number");
    const std::size_t least = o_.learning_rate && o_.epsilon ? 3 : 100 + 100 * o_.queries;
    if (o_.evaluations > 0 && o_.evaluations < least)
      fail("minimize: evaluations is " + text(o_.evaluations) + ", and must be at least " + text(least) +
           (least == 3 ? "" : " where learning_rate or epsilon is to be measured"));
  }

  double value_at(std::span<const T> y) {
    const bool outside = space_.maps() && space_.shown(y, x_);
    const double v = f_(space_.maps() ? x_ : y);
    clipped_ = clipped_ || outside;
    r_.not_finite += !is_finite(v);
    return v;
  }
  double value() {
    ++r_.evaluations;
    return value_at(y_);
  }

  /// The mean of n values at y. Some may not be finite, as of a simulation that fails now and then; if most are not,
  /// the mean is not, and that of the first three stands for the others.
  double mean(std::size_t n) {
    double sum = 0;
    std::size_t finite = 0, done = 0;
    while (done < n && (finite > 0 || done < 3)) {
      const double v = value();
      ++done;
      if (is_finite(v)) sum += v, ++finite;
    }
    return 2 * finite > done ? sum / static_cast<double>(finite) : std::numeric_limits<double>::quiet_NaN();
  }

  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count(); }

  /// The share of its limits that the run has used up.
  double progress() const {
    double share = 0;
    if (o_.steps > 0) share = std::max(share, static_cast<double>(r_.steps) / o_.steps);
    if (most_ > 0) share = std::max(share, static_cast<double>(r_.evaluations) / static_cast<double>(most_));
    if (o_.seconds > 0) share = std::max(share, elapsed() / o_.seconds);
    return std::min(share, 1.0);
  }

  /// The start: its loss, whether f gives another one when it is asked again, and ε and η, if they were left out.
  void begin() {
    start_.assign(y_.begin(), y_.end());
    best_ = start_;
    r_.initial_loss = value();
    for (int i = 0; i < 2 && !is_finite(r_.initial_loss); ++i) r_.initial_loss = value();
    require(is_finite(r_.initial_loss),
            "minimize: f is " + text(r_.initial_loss) + " at the start, and must be finite");
    measure_noise();
    best_loss_ = r_.initial_loss;
    if (!o_.learning_rate || !o_.epsilon) tune();
    r_.noise = sampled_ ? sigma_ : 0;
    r_.epsilon = tuner_.estimator().epsilon;
    rate_ = rate_control(tuner_.optimizer().learning_rate, adapts());
    falls_ = sampled_ && !o_.learning_rate && o_.schedule.shape == nullptr && o_.schedule.power == 0;
    every_ = sampled_ ? std::max<std::size_t>(10, steps_in_all() / 40) : 10;
    looks_ = sampled_ ? std::max<std::size_t>(1, every_ * tuner_.evaluations() / 10) : 1;
    here_ = level_ = best_loss_;
    record(best_loss_);
  }

  /// Two values at one x are equal unless f is noisy. Then there are as many more as a hundredth of the run.
  void measure_noise() {
    const double again = value();
    if (again == r_.initial_loss) return;
    const std::size_t n = std::clamp<std::size_t>(most_ / 100, 8, 1000);
    std::vector<double> all{r_.initial_loss};
    for (double v = again;; v = value()) {
      if (is_finite(v)) all.push_back(v);
      const std::size_t failed = r_.evaluations - all.size();
      require(failed < std::max<std::size_t>(5, all.size()),
              "minimize: f was not finite in " + text(failed) + " of " + text(r_.evaluations) +
                  " evaluations at the start, and must be in more than half of them");
      if (r_.evaluations >= n && all.size() > 1) break;
    }
    const estimation::spread of_all(all);
    r_.initial_loss = of_all.mean;
    sigma_ = of_all.of_sample();
    sampled_ = true;
    at_ends_ = n;
  }

  void tune() {
    const std::size_t budget = most_ > 0 ? most_ : o_.steps > 0 ? o_.steps * tuner_.evaluations() : 10'000;
    r_.tuning = autotune(tuner_, y_, [this](std::span<const T> y) { return value_at(y); },
                         {.evaluations = sampled_ ? budget / 10 : std::min<std::size_t>(budget / 10, 1000),
                          .keep_epsilon = o_.epsilon.has_value(),
                          .keep_learning_rate = o_.learning_rate.has_value()});
    r_.evaluations += r_.tuning->evaluations;
    // Clipped points bias slopes, and so does ε where it is more than a small part of the box.
    double& epsilon = tuner_.estimator().epsilon;
    if (!o_.epsilon) epsilon = std::min(epsilon, space_.width() / 8);
    // If no rate was seen to lower the loss in a few steps, one may in many: where noise hides that, the first, which
    // is that of the curvature; otherwise the least.
    if (r_.tuning->status != status::ok && !r_.tuning->rates.empty()) {
      auto& rate = tuner_.optimizer().learning_rate;
      rate = r_.tuning->rates.front().learning_rate;
      for (const rate_trial& t : r_.tuning->rates)
        if (!sampled_) rate = std::min(rate, t.learning_rate);
    }
    // Noise of rounding, or of a rough function, is the same at the same x: more looks do not average it.
    sigma_ = std::max(sigma_, r_.tuning->noise.verdict == table_verdict::noise ? r_.tuning->noise.value : 0);
  }

  /// Whether the rate follows what steps bring.
  bool adapts() const { return !o_.learning_rate && !sampled_; }

  std::size_t steps_in_all() const {
    std::size_t n = std::numeric_limits<std::size_t>::max();
    if (o_.steps > 0) n = o_.steps;
    if (most_ > r_.evaluations) n = std::min(n, (most_ - r_.evaluations) / tuner_.evaluations());
    return n == std::numeric_limits<std::size_t>::max() ? 10'000 : n;
  }

  void step() {
    double rate = rate_.rate();
    if (falls_) rate *= 1 - progress();
    tuner_.optimizer().learning_rate = rate;
    r_.learning_rate = rate;
    std::size_t finite = 0;
    const step_report s = tuner_.step(y_, [&](std::span<const T> y) {
      const double loss = value_at(y);
      finite += is_finite(loss);
      return is_finite(loss) ? loss : wall();
    });
    r_.evaluations += s.evaluations;
    failed_ = failed_ || finite < s.evaluations;
    ++r_.steps;
    ++since_look_;
    double squares = 0;
    for (const double slope : s.projected_gradients) squares += slope * slope / static_cast<double>(o_.queries);
    foretold_ += s.learning_rate * squares;
    if (finite == s.evaluations) {
      level_ = s.probe_loss;
      const double difference = 4 * squares * tuner_.estimator().epsilon * tuner_.estimator().epsilon;
      differences_ += (difference - differences_) * (differences_ == 0 ? 1 : 0.1);
    }
    moved_ = true;
    space_.bound(y_);
    if (finite == 0) since_look_ = every_;
    if (o_.on_step && !o_.on_step(s)) told_to_end_ = true;
  }

  /// Stands for a loss that is not finite: above the losses here by three times what they differ by. So steps lead away
  /// from there, and not far.
  double wall() const { return level_ + 3 * std::sqrt(differences_); }

  /// Evaluates f at y, and goes back if it is bad there.
  void look() {
    since_look_ = 0;
    if (!moved_) return;
    moved_ = false;
    if (std::exchange(failed_, false)) come_closer();
    const double loss = mean(looks_);
    const double doubt = 3 * sigma_ * std::sqrt(sampled_ ? 1.0 / static_cast<double>(looks_) : 1.0);
    record(loss);
    if (!is_finite(loss) || loss > r_.initial_loss + doubt) {
      ++r_.taken_back;
      go_back();
      return;
    }
    const bool lower = loss < best_loss_;
    rate_.looked(std::exchange(here_, loss) - loss, std::exchange(foretold_, 0), lower,
                 std::max(10 * sigma_, 0x1p-49 * std::abs(loss)));
    // Among looks that noise does not tell apart, the later one is better: its rate is lower.
    if (lower || (falls_ && loss < best_loss_ + doubt)) {
      best_.assign(y_.begin(), y_.end());
      best_loss_ = std::min(loss, best_loss_);
      looks_since_best_ = 0;
      failures_ = 0;
    } else if (++looks_since_best_ >= 20 && adapts()) {
      if (std::exchange(clipped_, false) && come_closer()) failures_ = 0;
      go_back();
    }
  }

  /// Halves ε where points are outside of where f can be evaluated: what stands for their losses biases slopes, the
  /// more the farther points are. Returns whether it did: not if ε was given, nor where noise would then be as
  /// large as the differences, nor where y would round them away.
  bool come_closer() {
    double& epsilon = tuner_.estimator().epsilon;
    const double size = tuning::size_of<T>(std::span<const T>(y_)), least = 8 * std::sqrt(tuning::roundoff<T>) * size;
    if (o_.epsilon || differences_ < 16 * sigma_ * sigma_ || epsilon / 2 < least) return false;
    epsilon /= 2;
    differences_ /= 4;
    r_.epsilon = epsilon;
    return true;
  }

  void go_back() {
    std::copy(best_.begin(), best_.end(), y_.begin());
    space_.wake();
    here_ = best_loss_;
    foretold_ = 0;
    looks_since_best_ = 0;
    ++failures_;
    rate_.taken_back();
  }

  void record(double loss) {
    if (o_.tolerance > 0) bests_.push_back({r_.steps, best_loss_});
    if (o_.history) r_.history.push_back({r_.evaluations, loss});
    if (!o_.progress) return;
    const double now = elapsed();
    if (now - printed_ < 0.5) return;
    printed_ = now;
    std::fprintf(stderr, "minimize: %zu evaluations, loss %s, best %s, rate %s\n", r_.evaluations,
                 tuning::brief(loss).c_str(), tuning::brief(best_loss_).c_str(), tuning::brief(rate_.rate()).c_str());
  }

  bool ended() {
    const auto by = [this](stop why) {
      r_.stopped_by = why;
      return true;
    };
    if (best_loss_ <= o_.target) return by(stop::target);
    if (told_to_end_) return by(stop::on_step);
    if (o_.steps > 0 && r_.steps >= o_.steps) return by(stop::steps);
    // After the step come a look at its end and, with noise, one at the best point.
    if (most_ > 0 && r_.evaluations + tuner_.evaluations() + looks_ + (sampled_ ? at_ends_ : 0) > most_)
      return by(stop::evaluations);
    if (o_.seconds > 0 && elapsed() >= o_.seconds) return by(stop::seconds);
    if (failures_ == 25) return by(stop::stalled);
    if (o_.tolerance > 0 && since_look_ == 0 && slow()) return by(stop::tolerance);
    return false;
  }

  bool slow() {
    const double window = std::max(200.0, 10.0 * static_cast<double>(x_.size()) / static_cast<double>(o_.queries));
    if (r_.steps < window) return false;
    while (oldest_ + 1 < bests_.size() && bests_[oldest_ + 1].step + window <= r_.steps) ++oldest_;
    return bests_[oldest_].loss - best_loss_ <= o_.tolerance * (r_.initial_loss - best_loss_);
  }

  void finish() {
    look();
    leave_at(best_);
    r_.loss = best_loss_;
    double doubt = 3 * sigma_;
    if (sampled_) {
      // The least of many noisy looks is too low, so the winner is looked at afresh.
      r_.loss = mean(at_ends_);
      doubt *= std::sqrt(2 / static_cast<double>(at_ends_));
    }
    const bool lower = r_.initial_loss - r_.loss > doubt;
    r_.status = lower ? status::ok : status::no_improvement;
    if (!(r_.loss <= r_.initial_loss)) {
      leave_at(start_);
      r_.loss = r_.initial_loss;
    }
    done_ = true;
  }

  void leave_at(const std::vector<T>& y) {
    if (y.empty()) return;
    std::copy(y.begin(), y.end(), y_.begin());
    space_.wake();
    if (space_.maps()) space_.shown(y_, x_);
  }

  const minimize_options& o_;
  std::span<T> x_;
  functor_ref<double(std::span<const T>)> f_;
  space<T> space_;
  decltype(mezo({})) tuner_;
  rate_control rate_;
  std::span<T> y_;
  std::vector<T> mapped_, start_, best_;
  double best_loss_ = 0;
  double here_ = 0;         // the loss at the last look
  double foretold_ = 0;     // by how much slopes foretell it to have fallen since
  bool moved_ = false;      // whether y has moved since
  double level_ = 0;        // the mean of the losses of a step, of the last whose losses were all finite
  double differences_ = 0;  // mean square of L(y + εz) − L(y − εz)
  double sigma_ = 0;
  bool sampled_ = false;  // another value each time at the same x
  bool done_ = false;
  bool falls_ = false;    // η to 0 over the run
  bool clipped_ = false;  // whether a point was outside of the box since ε was last halved for that
  bool failed_ = false;   // whether a step since the last look had a loss that was not finite
  int failures_ = 0;      // in a row, without a new best point
  bool told_to_end_ = false;
  std::size_t most_ = 0, every_ = 10, looks_ = 1, at_ends_ = 1, since_look_ = 0, looks_since_best_ = 0, oldest_ = 0;
  std::vector<best_at> bests_;
  double printed_ = 0;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  report r_;
};

}  // namespace zoft::inline ZOFT_ISA::minimizing
