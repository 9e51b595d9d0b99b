/// η from short trials.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "../engine.hpp"
#include "radius.hpp"

namespace zoft::inline ZOFT_ISA {

/// A rate that was tried, and the loss behind its steps; infinite where it was not finite, or far above the start's.
struct rate_trial {
  double learning_rate = 0;
  std::size_t steps = 0;
  double loss = 0;
};

namespace tuning {

/// Along a direction of slope s and curvature κ the loss is least behind a step of s/κ. Over directions the mean of κ
/// is the trace of the Hessian, so that a step of the whole estimate should move each parameter by an rms of
///
///     √q · rms s / mean κ · rms z
///
/// which for plain descent is η = q/tr H. What an optimizer makes of a rate is seen from one step of it on made-up
/// losses of slopes ±s: nothing is assumed of how it scales (signs, running moments), but that it is linear in η. From
/// there on rates are tried, all from the same start along the same directions:
///
/// 1. few steps each, rates a factor of 4 apart, until the loss is no longer lower than with the rate before;
/// 2. more steps each, down to a factor of √2, among those that are at most half of the least rate that failed to lower
///    the loss: for a quadratic the expected loss falls fastest at half of the rate from which on it rises.
///
/// What is chosen is the geometric mean of the best of these and of the largest that lowered the loss 0.9 times as far:
/// few steps flatter small rates, since the directions of little curvature are left to the many later steps, but hide
/// the slow growth of what is too large.
///
/// With a loss of batches, the noise of these adds up and the curvature grows on the way: a constant rate for n steps
/// goes as 1/√n (Ghadimi and Lan 2013, arXiv 1309.5549), and so what was found in n₀ steps is taken √(n₀/n) times.
template <class Subject>
class rate_search {
  using T = typename Subject::number_type;

 public:
  /// `looks`: losses that are averaged where a trial ends, for a loss of much noise, or of batches: those are of
  /// batches that no trial has made steps with, and so is the loss at the start, which then is not `loss`.
  rate_search(Subject& subject, const radius& from, double epsilon, double loss, int looks)
      : subject_(subject), from_(from), epsilon_(epsilon), start_(loss), looks_(looks) {
    const double size = size_of<T>(subject_.start());
    size_ = size > 0 ? size : 1;
    centre_ = natural();
  }

  /// The rate, if one lowered the loss. `losses` may be asked, about.
  std::optional<double> run(std::size_t losses) {
    const std::size_t of_a_step = subject_.engine().evaluations(), steps = losses / of_a_step;
    const std::size_t most = subject_.evaluations() + losses;
    longer_ = std::max<std::size_t>(8, steps / 6);
    if (subject_.has_batches()) {
      subject_.begin(epsilon_, 0);
      start_ = loss();
    }
    near(std::max<std::size_t>(4, steps / 40));
    for (int tests = 0; tests < 10; ++tests) {
      const std::optional<int> next = wanted();
      if (!next || (tests >= 3 && subject_.evaluations() + longer_ * of_a_step > most)) break;
      tried_.push_back({*next, trial(*next, longer_)});
    }
    if (!best()) return std::nullopt;
    return std::sqrt(rate(best()->k) * rate(largest()->k));
  }

  /// What of that rate suits a run of `steps`: less than 1 with batches only.
  double share_for(std::size_t steps) const {
    return !subject_.has_batches() || steps <= longer_
               ? 1
               : std::sqrt(static_cast<double>(longer_) / static_cast<double>(steps));
  }

  double start() const { return start_; }
  const std::vector<rate_trial>& trials() const { return trials_; }

 private:
  static constexpr int none = 1'000'000;  // above all rates
  struct entry {
    int k;  // the rate, in half octaves from the natural one
    double loss;
  };

  double rate(int k) const { return centre_ * std::exp2(0.5 * k); }
  bool lowered(const entry& e) const { return is_finite(e.loss) && e.loss < start_; }

  double natural() {
    const double q = static_cast<double>(subject_.engine().estimator().queries);
    const bool curved = from_.curvature > 0;
    const double reference = curved ? q / from_.curvature : 1;
    subject_.begin(epsilon_, reference);
    const auto before = subject_.start();
    subject_.step_of(from_.slope, start_);
    const auto after = subject_.parameters();
    double squares = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      using A = arithmetic_t<T>;
      const double d = static_cast<double>(static_cast<A>(after[i])) - static_cast<double>(static_cast<A>(before[i]));
      squares += d * d / static_cast<double>(before.size());
    }
    const double wanted = curved ? std::sqrt(q) * from_.slope / from_.curvature * from_.size_of_z : size_ / 8;
    const double result = reference * wanted / std::sqrt(squares);
    return is_finite(result) && result > 0 ? result : reference;
  }

  /// Where the trial is: of batches, those behind the ones that the longest trials make steps with.
  double loss() { return subject_.loss(static_cast<std::uint32_t>(longer_), looks_); }

  double trial(int k, std::size_t steps) {
    subject_.begin(epsilon_, rate(k));
    bool usable = true;
    for (std::size_t i = 0; i < steps && usable; ++i) {
      const step_report s = subject_.step();
      usable = s.status == status::ok && s.probe_loss - start_ < 1e3 * (std::abs(start_) + from_.slope * size_);
    }
    const double reached = usable ? loss() : std::numeric_limits<double>::infinity();
    trials_.push_back({rate(k), steps, is_finite(reached) ? reached : std::numeric_limits<double>::infinity()});
    return trials_.back().loss;
  }

  /// The first stage; leaves where it came to as the first rate of the second.
  void near(std::size_t steps) {
    constexpr int factor = 4, most = 24, least = -120;
    entry at{0, trial(0, steps)};
    if (lowered(at))
      for (entry up = at; up.k < most; at = up) {
        up = {at.k + factor, trial(at.k + factor, steps)};
        if (!(up.loss < at.loss)) break;
      }
    while (at.k <= 0 && at.k > least) {
      const bool failed = !lowered(at);
      const int by = failed ? 2 * factor : factor;
      const entry down{at.k - by, trial(at.k - by, steps)};
      if (!failed && !(down.loss < at.loss)) break;
      at = down;
    }
    first_ = at.k;
  }

  /// Of the rates of the second stage that are not too near to one that failed, the best.
  std::optional<entry> best() const {
    std::optional<entry> result;
    for (const entry& e : tried_)
      if (lowered(e) && e.k <= allowed() && (!result || e.loss < result->loss)) result = e;
    return result;
  }

  /// And the largest that is not much worse.
  std::optional<entry> largest() const {
    std::optional<entry> result = best();
    if (!result) return result;
    const double enough = start_ - 0.9 * (start_ - result->loss);
    for (const entry& e : tried_)
      if (is_finite(e.loss) && e.loss <= enough && e.k <= allowed() && e.k > result->k) result = e;
    return result;
  }

  /// Half of the least rate that failed.
  int allowed() const {
    int result = none;
    for (const entry& e : tried_)
      if (!lowered(e)) result = std::min(result, e.k - 2);
    return result;
  }

  /// What to try next, if anything: neighbours of the chosen rate, at last half an octave above it.
  std::optional<int> wanted() const {
    if (tried_.empty()) return first_;
    int lowest = none, above = none;
    for (const entry& e : tried_) lowest = std::min(lowest, e.k);
    const std::optional<entry> now = largest();
    if (!now) return lowest - 2;
    for (const entry& e : tried_)
      if (e.k > now->k) above = std::min(above, e.k);
    if (above == none) return now->k + 2;
    if (now->k == lowest) return now->k - 2;
    if (above > now->k + 1 && now->k + 1 <= allowed()) return now->k + 1;
    return std::nullopt;
  }

  Subject& subject_;
  const radius& from_;
  double epsilon_, start_;
  int looks_;
  std::size_t longer_ = 0;  // steps of the second stage's trials
  double size_ = 1, centre_ = 1;
  int first_ = 0;
  std::vector<entry> tried_;
  std::vector<rate_trial> trials_;
};

}  // namespace tuning
}  // namespace zoft::inline ZOFT_ISA
