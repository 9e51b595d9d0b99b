/// Says when a rate that autotune chose has become too large.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "autotune.hpp"
#include "core/median.hpp"
#include "core/report.hpp"
#include "optimizer/sgd.hpp"
#include "tuning/chosen.hpp"
#include "tuning/radius.hpp"

namespace zoft::inline ZOFT_ISA {

/// A rate fits the curvature where it was chosen. If the curvature grows on the way, losses say so by themselves. A
/// watch is told each step's report, and evaluates nothing:
///
///     zoft::rate_watch watch(tuner, zoft::autotune(tuner, x, f));
///     for (…)
///       if (watch.too_large(tuner.step(x, f))) watch = {tuner, zoft::autotune(tuner, x, f)};
///
/// The rate is too large if
///
/// - a step was not applied, as a loss was not finite;
/// - three losses in a row are above the median of the last 64 by six times σ, the median difference of neighbours;
/// - or, for plain descent, the loss has stopped falling over 64 steps, though slopes s of noise ν foretell that it
///   falls by η(s² − ν²) a step. Along ĝ a loss of curvature κ falls by 1 − ½ηκ of what its slopes foretell (see
///   minimize, which follows this share all the time). At a tenth of it, η is almost at 2/κ, where it would rise.
///
/// With batches, σ is mostly what these differ by. A loss that has reached its noise stays there at any rate, and then
/// too the second case may be seen: tune again, or halve the rate, but not every 64 steps.
class rate_watch {
 public:
  /// `found` is what autotune reported of this tuner.
  template <class Engine>
  rate_watch(const Engine& tuner, const autotune_report& found)
      : plain_(std::is_same_v<std::remove_cvref_t<decltype(tuning::rated(tuner.optimizer()))>, sgd>) {
    const double error = found.noise.verdict == table_verdict::noise ? found.noise.value / found.epsilon : 0;
    noise_ = error * error * (found.central ? 0.5 : 2);
  }

  /// Whether the rate of this step, which is told in turn, is too large from here on.
  bool too_large(const step_report& step) {
    if (step.status != status::ok) return true;
    if (losses_.size() >= least && step.probe_loss > median(losses_) + 6 * spread()) return ++above_ == 3;
    above_ = 0;
    double squares = 0;
    for (const double s : step.projected_gradients)
      squares += s * s / static_cast<double>(step.projected_gradients.size());
    add(losses_, step.probe_loss);
    add(foretold_, step.learning_rate * (squares - noise_));
    return plain_ && losses_.size() == window && stalled();
  }

 private:
  static constexpr std::size_t window = 64, end = 16, least = 8;

  static void add(std::vector<double>& last, double v) {
    if (last.size() == window) last.erase(last.begin());
    last.push_back(v);
  }

  /// σ, and at least the rounding of a loss.
  double spread() const {
    std::vector<double> differences;
    for (std::size_t i = 1; i < losses_.size(); ++i) differences.push_back(std::abs(losses_[i] - losses_[i - 1]));
    return std::max(median(std::move(differences)), 0x1p-50 * std::abs(losses_.back()));
  }

  /// From the middle of the first losses to that of the last.
  bool stalled() const {
    const std::span<const double> all(losses_);
    const double fell = tuning::mean(all.first(end)) - tuning::mean(all.last(end));
    double foretold = 0;
    for (std::size_t i = end / 2; i < window - end / 2; ++i) foretold += foretold_[i];
    const double doubt = 6 * spread() * std::sqrt(2.0 / end);
    return fell < 0.1 * foretold && 0.5 * foretold - fell > doubt;
  }

  bool plain_;
  double noise_ = 0;  // ν², of a slope
  int above_ = 0;     // losses in a row
  std::vector<double> losses_, foretold_;
};

}  // namespace zoft::inline ZOFT_ISA
