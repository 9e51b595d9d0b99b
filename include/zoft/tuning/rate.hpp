/// Chooses η by short trials.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "../core/report.hpp"
#include "radius.hpp"
#include "subject.hpp"

namespace zoft::inline ZOFT_ISA {

/// A rate that was tried, and the loss after its steps: infinite if it was not finite or far above the loss at the
/// start.
struct rate_trial {
  double learning_rate = 0;
  std::size_t steps = 0;
  double loss = 0;
};

namespace tuning {

/// Along a direction of slope s and curvature κ, the loss is least after a step of s/κ. The mean of κ over directions
/// is the trace of the Hessian, so a step along the whole estimate should move the parameters by an rms of
///
///     √q · rms s / mean κ · rms z
///
/// For plain descent that is η = q/tr H. How far an optimizer moves at a given rate is measured by one step on made-up
/// losses of slopes ±s. This assumes that the step is linear in η, and nothing else about how the optimizer scales it
/// (signs, running moments). Rates are then tried from this one on, all from the same start along the same directions:
///
/// 1. a few steps each, at rates a factor of 4 apart, until the loss is no longer lower than at the previous rate;
/// 2. more steps each, at rates down to a factor of √2 apart. Only rates up to half the smallest one that failed to
///    lower the loss can be chosen: for a quadratic, the expected loss falls fastest at half the rate at which it
///    starts to rise.
///
/// The result is the geometric mean of the best of these rates and the largest one that lowered the loss at least 0.9
/// times as far. Short trials flatter small rates, since they leave directions of little curvature to the many later
/// steps. They also hide the slow growth at rates that are too large.
///
/// With batches, their noise adds up and the curvature grows on the way. The constant rate for n steps goes as 1/√n
/// where that noise limits it (Ghadimi and Lan 2013, arXiv:1309.5549), and not at all where curvature does, as it does
/// in a trial of n₀ steps. Between the two, the rate that was found is multiplied by ∛(n₀/n), which was measured: on
/// small networks the best shares of it are 0.2, 0.2 and 0.13 for n/n₀ of 25, 130 and 500.
class rate_search {
 public:
  /// `looks`: how many losses are averaged at the end of a trial, for a noisy loss or a loss of batches. The batches
  /// are ones that no trial makes steps with. With batches, the loss at the start is measured on them too, and replaces
  /// `loss`.
  rate_search(tuning::subject& subject, const radius& from, double epsilon, double loss, int looks)
      : subject_(subject), from_(from), epsilon_(epsilon), start_(loss), looks_(looks) {
    // A mean of losses beside x is off by what the curvature makes of ε.
    beside_ = epsilon * epsilon * std::abs(from.curvature);
    const double size = subject_.size();
    size_ = size > 0 ? size : 1;
    centre_ = natural();
  }

  /// The rate, if one lowered the loss. Evaluates about `losses` losses.
  std::optional<double> run(std::size_t losses) {
    const std::size_t of_a_step = subject_.evaluations_of_a_step(), steps = losses / of_a_step;
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

  /// The share of that rate that suits a run of `steps` steps; below 1 only with batches.
  double share_for(std::size_t steps) const {
    return !subject_.has_batches() || steps <= longer_
               ? 1
               : std::cbrt(static_cast<double>(longer_) / static_cast<double>(steps));
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
    const double q = static_cast<double>(subject_.queries());
    const bool curved = from_.curvature > 0;
    const double reference = curved ? q / from_.curvature : 1;
    subject_.begin(epsilon_, reference);
    subject_.step_of(from_.slope, start_);
    const double wanted = curved ? std::sqrt(q) * from_.slope / from_.curvature * from_.size_of_z : size_ / 8;
    const double result = reference * wanted / subject_.moved_by();
    return is_finite(result) && result > 0 ? result : reference;
  }

  /// The loss where the trial is. Its batches follow those that the longest trials make steps with.
  double loss() { return subject_.loss(static_cast<std::uint32_t>(longer_), looks_); }

  double trial(int k, std::size_t steps) {
    subject_.begin(epsilon_, rate(k));
    bool usable = true;
    std::size_t rejected =
        0;  // a few may be, of points where there is no loss; if the rate is too large, nearly all are
    for (std::size_t i = 0; i < steps && usable; ++i) {
      const step_report s = subject_.step();
      if (s.status == status::ok)
        usable = s.probe_loss - start_ < 1e3 * (std::abs(start_) + from_.slope * size_ + beside_);
      else
        usable = 4 * ++rejected <= steps;
    }
    const double reached = usable ? loss() : std::numeric_limits<double>::infinity();
    trials_.push_back({rate(k), steps, is_finite(reached) ? reached : std::numeric_limits<double>::infinity()});
    return trials_.back().loss;
  }

  /// The first stage. The rate it ends at is the first rate of the second stage.
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

  /// The best rate of the second stage, among those not too near one that failed.
  std::optional<entry> best() const {
    std::optional<entry> result;
    for (const entry& e : tried_)
      if (lowered(e) && e.k <= allowed() && (!result || e.loss < result->loss)) result = e;
    return result;
  }

  /// The largest rate that is not much worse than the best.
  std::optional<entry> largest() const {
    std::optional<entry> result = best();
    if (!result) return result;
    const double enough = start_ - 0.9 * (start_ - result->loss);
    for (const entry& e : tried_)
      if (is_finite(e.loss) && e.loss <= enough && e.k <= allowed() && e.k > result->k) result = e;
    return result;
  }

  /// Half the smallest rate that failed.
  int allowed() const {
    int result = none;
    for (const entry& e : tried_)
      if (!lowered(e)) result = std::min(result, e.k - 2);
    return result;
  }

  /// The rate to try next, if any: neighbours of the chosen rate, and finally the rate half an octave above it.
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

  subject& subject_;
  const radius& from_;
  double epsilon_, start_;
  int looks_;
  std::size_t longer_ = 0;  // steps of the second stage's trials
  double size_ = 1, centre_ = 1, beside_ = 0;
  int first_ = 0;
  std::vector<entry> tried_;
  std::vector<rate_trial> trials_;
};

}  // namespace tuning
}  // namespace zoft::inline ZOFT_ISA
