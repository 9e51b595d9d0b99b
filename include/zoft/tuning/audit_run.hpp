/// How an audit goes about it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../concepts.hpp"
#include "../core/candidates.hpp"
#include "../core/layout.hpp"
#include "../random/axpy.hpp"
#include "../sampler/gaussian.hpp"
#include "audit_report.hpp"
#include "audited.hpp"
#include "brief.hpp"
#include "noise_level.hpp"
#include "precision.hpp"
#include "radius.hpp"

namespace zoft::inline ZOFT_ISA {

namespace tuning {

inline double correlation(std::span<const double> a, std::span<const double> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

template <number T>
class audit_run {
 public:
  audit_run(audited<T> f, std::optional<audited<T>> reference, std::span<const T> x, const audit_options& o)
      : x_(x), o_(o), f_(std::move(f)), reference_(std::move(reference)) {
    require(!x.empty(), "audit: there are no parameters");
    require(o.epsilon > 0 && is_finite(o.epsilon), "audit", "epsilon", o.epsilon, "above 0");
    for (const double r : o.radii) require(r > 0 && is_finite(r), "audit", "a radius", r, "above 0");
    require(o.directions >= 2, "audit", "directions", o.directions, "at least 2");
    require(o.candidates >= 1, "audit", "candidates", o.candidates, "at least 1");
    require(o.layout.empty() || o.layout.size() == x.size(),
            "audit: the layout has " + text(o.layout.size()) + " elements, and x has " + text(x.size()));
  }

  audit_report run() {
    r_.candidates = f_.candidates();
    if (repeats()) {
      compare_places();
      move_parts();
      compare_radii();
      if (reference_) compare_slopes();
    }
    r_.evaluations = f_.evaluations();
    return std::move(r_);
  }

 private:
  using A = arithmetic_t<T>;

  void find(std::string sentence) { r_.findings.push_back(std::move(sentence)); }

  /// x + t·z(query) of stream `step`, in `to`.
  void place(std::span<T> to, std::uint32_t step, std::uint32_t query, double t) {
    z_.assign(x_.size(), A{0});
    gaussian{}.axpy(std::span<A>(z_), A{1}, {o_.seed, step, query});
    std::copy(x_.begin(), x_.end(), to.begin());
    random::axpy<T>(to, static_cast<A>(t), z_.data());
  }
  std::vector<T> point(std::uint32_t step, std::uint32_t query, double t) {
    std::vector<T> result(x_.size());
    place(result, step, query, t);
    return result;
  }

  /// Losses at x again and again, and near it. Returns whether there is anything to measure further.
  bool repeats() {
    r_.loss = f_.alone(x_);
    if (!is_finite(r_.loss)) {
      find("the loss at x is " + precise(r_.loss) + ", and must be finite");
      return false;
    }
    for (int i = 0; i < 3; ++i) r_.spread = std::max(r_.spread, std::abs(f_.alone(x_) - r_.loss));
    if (r_.spread > 0)
      find("the loss is not deterministic: four evaluations at x differ by up to " + brief(r_.spread) +
           ", and should be equal");
    const double size = size_of<T>(x_), spacing = std::sqrt(roundoff<T>) * (size > 0 ? size : 1);
    // A table of one direction may be far off where f is coarse, so the median of five counts.
    std::vector<noise_level> seen;
    for (std::uint32_t i = 0; i < 5; ++i)
      seen.push_back(
          measure_noise([&](double t) { return f_.alone(point(0, i, t)); }, std::exp2(std::round(std::log2(spacing)))));
    const auto flat = std::partition(seen.begin(), seen.end(), [](const noise_level& l) { return !l.constant(); });
    std::sort(seen.begin(), flat, [](const noise_level& a, const noise_level& b) { return a.value < b.value; });
    r_.noise = flat == seen.begin() ? seen.front() : seen[static_cast<std::size_t>(flat - seen.begin()) / 2];
    sigma_ = std::max({r_.noise.value, r_.spread, 0x1p-53 * std::abs(r_.loss)});
    reach_ = o_.epsilon;
    if (r_.noise.constant()) {
      find("the loss is " + precise(r_.loss) + " wherever it was evaluated, and should depend on the parameters");
      return false;
    }
    return true;
  }

  /// What a loss may differ by that should be equal: noise, or the rounding of a float.
  double tolerance() const { return std::max(8 * sigma_, 1e-6 * std::abs(r_.loss)); }

  /// |a − b|; infinite where only one of them is finite, and 0 where none is, as of points too far away.
  static double distance(double a, double b) {
    if (is_finite(a) != is_finite(b)) return std::numeric_limits<double>::infinity();
    return is_finite(a) ? std::abs(a - b) : 0;
  }

  /// Candidates in one call, against each alone, and in reverse order. They are so far apart that their losses differ
  /// by more than the tolerance, or losses in the wrong places would not be seen.
  void compare_places() {
    const std::size_t n = x_.size(), count = f_.candidates();
    if (count == 1) return;
    std::vector<T> stack(count * n);
    std::vector<double> alone(count);
    for (int tries = 0; tries < 6; ++tries, reach_ *= 4) {
      for (std::size_t i = 0; i < count; ++i) {
        const std::span<T> to = std::span(stack).subspan(i * n, n);
        place(to, 1, static_cast<std::uint32_t>(i), reach_);
        alone[i] = f_.alone(to);
      }
      const auto [least, most] = std::minmax_element(alone.begin(), alone.end());
      if (!(*most - *least < 8 * static_cast<double>(count) * tolerance())) break;
    }
    const std::vector<double> together = f_(stack, n);
    for (std::size_t i = 0; i < count / 2; ++i)
      std::swap_ranges(stack.begin() + std::ptrdiff_t(i * n), stack.begin() + std::ptrdiff_t((i + 1) * n),
                       stack.end() - std::ptrdiff_t((i + 1) * n));
    const std::vector<double> reversed = f_(stack, n);
    std::size_t worst = 0, displaced = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double group = distance(together[i], alone[i]), order = distance(reversed[count - 1 - i], together[i]);
      if (group > r_.group_difference) r_.group_difference = group, worst = i;
      if (order > r_.order_difference) r_.order_difference = order, displaced = i;
    }
    const std::string all = "of " + text(count) + " candidates in a call, ";
    if (r_.group_difference > tolerance()) {
      for (std::size_t i = 0; i < count; ++i)
        if (i != worst && std::abs(together[worst] - alone[i]) <= tolerance())
          return find(all + "candidate " + text(worst) + " gets the loss of candidate " + text(i) + ", " +
                      precise(alone[i]) + ", and should get its own, " + precise(alone[worst]));
      find(all + "candidate " + text(worst) + " has a loss of " + precise(together[worst]) + ", and alone of " +
           precise(alone[worst]) + ": these differ by " + brief(r_.group_difference) + ", and should by at most " +
           brief(tolerance()));
    } else if (r_.order_difference > tolerance()) {
      find(all + "candidate " + text(displaced) + " has a loss that differs by " + brief(r_.order_difference) +
           " in place " + text(count - 1 - displaced) + ", and should by at most " + brief(tolerance()));
    }
  }

  struct part {
    std::string name;
    std::size_t first, size;
  };
  std::vector<part> parts() const {
    std::vector<part> result;
    for (const tensor& t : o_.layout) result.push_back({"'" + t.name + "'", t.offset, t.size()});
    const std::size_t n = x_.size(), pieces = std::min<std::size_t>(64, n);
    for (std::size_t i = 0; result.size() < pieces && o_.layout.empty(); ++i) {
      const std::size_t first = i * n / pieces, last = (i + 1) * n / pieces - 1;
      result.push_back({"parameters " + text(first) + " to " + text(last), first, last + 1 - first});
    }
    return result;
  }

  /// `from` with one part of it at x + t·z.
  std::vector<T> moved(std::span<const T> from, const part& p, double t) {
    const std::vector<T> all = point(2, 1, t);
    std::vector<T> result(from.begin(), from.end());
    std::copy_n(all.begin() + std::ptrdiff_t(p.first), p.size, result.begin() + std::ptrdiff_t(p.first));
    return result;
  }

  /// Moves each part of the parameters by itself. Whether the loss depends on it is looked at from a point where no
  /// part is at its start, as LoRA's B = 0 would hide A. What it does is compared from x, so that one part that is laid
  /// out otherwise is the only one to differ.
  void move_parts() {
    const std::vector<part> all = parts();
    const std::vector<T> from = point(2, 0, o_.epsilon);
    const double loss = f_.alone(from);
    std::vector<std::string> ignored;
    // In so much noise, a part that does little could not be told from one that does nothing.
    const bool hidden = r_.spread > 1e-4 * std::max(1.0, std::abs(r_.loss));
    for (const part& p : hidden ? std::vector<part>() : all) {
      const auto ignores = [&](double t) { return std::abs(f_.alone(moved(from, p, t)) - loss) <= 8 * r_.spread; };
      double t = reach_;
      int tries = 0;
      for (; tries < 10 && ignores(t); ++tries) t *= -4;  // a coarse loss needs a longer step, and maybe the other way
      if (tries == 10) ignored.push_back(p.name);
    }
    const std::size_t more = ignored.size() - 1;
    if (!ignored.empty())
      find("the loss does not depend on " + ignored.front() +
           (more == 0 ? "" : " and " + text(more) + " more of the " + text(all.size()) + " parts of x") +
           ", and should depend on all parameters");
    if (reference_) compare_parts(all);
  }

  void compare_parts(const std::vector<part>& all) {
    const double expected_loss = reference_->alone(x_);
    std::size_t different = 0;
    double worst = 0;
    std::string what;
    for (const part& p : all) {
      const std::vector<T> there = moved(x_, p, reach_);
      const double change = f_.alone(there) - r_.loss, expected = reference_->alone(there) - expected_loss;
      const double off = std::abs(change - expected);
      if (off <= 0.02 * std::abs(expected) + tolerance()) continue;
      ++different;
      if (off <= worst) continue;
      worst = off;
      what = p.name + " changes the loss by " + brief(change) + ", and the reference's by " + brief(expected);
    }
    if (different > 0)
      find(text(different) + " of " + text(all.size()) + " parts of x do not do what they do in the reference" +
           (differs_at_zero(r_.loss, expected_loss) ? "" : ", so they may be laid out otherwise") + ": moving " + what);
  }

  double most_difference(double expected) const { return o_.most_difference * std::max(1.0, std::abs(expected)); }

  /// Whether losses differ where no layout of x can be why.
  bool differs_at_zero(double loss, double expected) const {
    return !(std::abs(loss - expected) <= most_difference(expected)) &&
           std::all_of(x_.begin(), x_.end(), [](T v) { return static_cast<A>(v) == 0; });
  }

  /// Slopes of f at ±ε along all directions.
  std::vector<double> slopes(audited<T>& f, double epsilon) {
    const std::size_t n = x_.size(), pairs = std::max<std::size_t>(1, f.candidates() / 2);
    std::vector<double> result;
    std::vector<T> stack;
    for (std::size_t i = 0; i < o_.directions; i += pairs) {
      const std::size_t count = std::min(pairs, o_.directions - i);
      stack.resize(2 * count * n);
      for (std::size_t j = 0; j < 2 * count; ++j)
        place(std::span(stack).subspan(j * n, n), 3, static_cast<std::uint32_t>(i + j / 2),
              j % 2 == 0 ? epsilon : -epsilon);
      const std::vector<double> losses = f(stack, n);
      for (std::size_t j = 0; j < count; ++j) result.push_back((losses[2 * j] - losses[2 * j + 1]) / (2 * epsilon));
    }
    return result;
  }

  static double square(double v) { return v * v; }

  /// What the slopes at a radius would be if they were noise alone.
  double noise_at(std::size_t i) const { return std::sqrt(0.5) * sigma_ / r_.radii[i].epsilon; }

  void compare_radii() {
    std::vector<double> radii = o_.radii;
    if (radii.empty())
      for (const double factor : {0x1p-6, 0x1p-4, 0x1p-2, 4.0, 16.0}) radii.push_back(factor * o_.epsilon);
    radii.push_back(o_.epsilon);
    std::sort(radii.begin(), radii.end());
    radii.erase(std::unique(radii.begin(), radii.end()), radii.end());
    for (const double epsilon : radii) {
      slopes_.push_back(slopes(f_, epsilon));
      audit_radius a{.epsilon = epsilon, .slope = rms(slopes_.back())};
      r_.radii.push_back(a);
      const double noise = noise_at(r_.radii.size() - 1);
      if (a.slope > noise) r_.radii.back().predicted = std::sqrt(1 - square(noise / a.slope));
    }
    std::size_t best = 0;  // the least radius where noise hardly matters, or else the one where it matters least
    for (std::size_t i = 1; i < radii.size() && !(r_.radii[best].predicted >= 0.99); ++i)
      if (r_.radii[i].predicted > r_.radii[best].predicted) best = i;
    // √(S²/(S² + N²)) with noise N = σ/√2ε. Where N is large, the slope there tells little of the signal S, which is
    // then that of the best radius. What slopes grow by as ε shrinks is noise, too.
    const double noise = noise_at(best), signal = std::max(0.0, square(r_.radii[best].slope) - square(noise));
    for (std::size_t i = 0; i < best && signal > 0; ++i) {
      const double seen = std::max(square(noise_at(i)), square(r_.radii[i].slope) - signal);
      r_.radii[i].predicted = r_.radii[i].slope > 0 ? std::sqrt(signal / (signal + seen)) : 0;
    }
    std::size_t near = best;
    double nearest = -2;
    for (std::size_t i = 0; i < radii.size(); ++i) {
      if (i == best) continue;
      const double agreement = correlation(slopes_[i], slopes_[best]);
      compared_to(i, best, agreement);
      if (agreement > nearest) nearest = agreement, near = i;
    }
    if (near != best)
      compared_to(best, near, nearest);
    else  // there is no other
      r_.radii[best].trainable = r_.radii[best].predicted >= o_.least_correlation;
    const audit_radius& at =
        *std::find_if(r_.radii.begin(), r_.radii.end(), [&](const audit_radius& a) { return a.epsilon == o_.epsilon; });
    if (at.trainable) return;
    const auto [from, to] = r_.trainable();
    const bool noisy = !(at.predicted >= o_.least_correlation);
    find("at epsilon " + brief(at.epsilon) + ", slopes " +
         (noisy ? "of " + brief(at.slope) + " are correlated " + brief(at.predicted) +
                      " with those without the noise, which is " + brief(sigma_)
                : "are correlated " + brief(at.agreement) + " with those at epsilon " + brief(at.compared_with)) +
         ", and should be at least " + brief(o_.least_correlation) + "; " +
         (to == 0      ? "there is no epsilon to train with among the " + text(radii.size()) + " that were tried"
          : from == to ? "take an epsilon of " + brief(to)
                       : "take an epsilon from " + brief(from) + " to " + brief(to)));
  }

  void compared_to(std::size_t i, std::size_t other, double agreement) {
    audit_radius& a = r_.radii[i];
    a.agreement = agreement;
    a.compared_with = r_.radii[other].epsilon;
    a.trainable = a.predicted >= o_.least_correlation && agreement >= o_.least_correlation * r_.radii[other].predicted;
  }

  void compare_slopes() {
    audit_reference a;
    a.loss = reference_->alone(x_);
    const double off = std::abs(r_.loss - a.loss), most = most_difference(a.loss);
    if (!(off <= most))
      find("the loss at x is " + precise(r_.loss) + ", and the reference's " + precise(a.loss) + ": these differ by " +
           brief(off) + ", and should by at most " + brief(most) +
           (differs_at_zero(r_.loss, a.loss)
                ? "; x is 0, so its layout is not why; other weights or less precision may be"
                : ""));
    const std::vector<double> expected = slopes(*reference_, o_.epsilon);
    std::size_t at = 0;
    while (r_.radii[at].epsilon != o_.epsilon) ++at;
    a.correlation = correlation(slopes_[at], expected);
    const double size = rms(expected);
    a.ratio = size > 0 ? a.correlation * r_.radii[at].slope / size : 0;
    // What noise explains, with a margin for the number of directions.
    const double predicted = r_.radii[at].predicted, share = 1 - predicted * predicted;
    const double margin = 0.01 + 4 * share / std::sqrt(static_cast<double>(o_.directions));
    if (!(a.correlation >= predicted - margin))
      find("slopes along " + text(o_.directions) + " directions are correlated " + brief(a.correlation) +
           " with the reference's, and should be at least " + brief(predicted - margin) + " for this noise");
    else if (!(std::abs(a.ratio - 1) <= 0.02 + 4 * std::sqrt(share / static_cast<double>(o_.directions))))
      find("slopes are " + brief(a.ratio) + " times the reference's, and should be as large");
    r_.reference = a;
  }

  std::span<const T> x_;
  const audit_options& o_;
  audited<T> f_;
  std::optional<audited<T>> reference_;
  audit_report r_;
  double sigma_ = 0, reach_ = 0;
  std::vector<A> z_;
  std::vector<std::vector<double>> slopes_;  // at r_.radii
};

}  // namespace tuning

}  // namespace zoft::inline ZOFT_ISA
