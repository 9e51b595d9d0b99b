/// Chooses ε from the loss's noise and its derivatives along directions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../core/number.hpp"
#include "noise_level.hpp"
#include "precision.hpp"
#include "subject.hpp"

namespace zoft::inline ZOFT_ISA {

/// What determined ε.
enum class epsilon_limit {
  unchanged,   ///< nothing was seen to choose ε from: it is as it was
  kept,        ///< it was not to be chosen
  balance,     ///< noise divided by ε balances the truncation error of the difference
  range,       ///< no truncation error was seen at any radius: ε is the largest one tried
  resolution,  ///< the parameters' type would round smaller steps away
};

namespace tuning {

inline double mean(std::span<const double> v) {
  double sum = 0;
  for (const double x : v) sum += x / static_cast<double>(v.size());
  return sum;
}
inline double rms_of_difference(std::span<const double> a, std::span<const double> b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]) / static_cast<double>(a.size());
  return std::sqrt(squares);
}
inline double rms(std::span<const double> v) { return size_of<double>(v); }

/// Slopes and curvatures from differences over ±t, one of each per direction.
struct level {
  double t = 0;
  std::vector<double> slope, curvature;
};

struct radius {
  double epsilon = 0;  ///< in units of z, not yet of the estimator's ε
  epsilon_limit limited_by = epsilon_limit::unchanged;
  double slope = 0, curvature = 0, higher_derivative = 0;
  double size_of_z = 1;  ///< rms of the elements of z
};

/// The error of a slope has two parts. For a central difference, noise contributes σ/√2ε and truncation ε²φ‴/6; for a
/// one-sided difference, √2σ/ε and εφ″/2. The sum of their squares is least at
///
///     ε = (3σ/|φ‴|)^⅓ (central)        ε = 8^¼ (σ/|φ″|)^½ (one-sided)
///
/// Moré and Wild 2012, "Estimating derivatives of noisy simulations", ACM Trans. Math. Softw. 38:19. Derivatives are
/// taken along z, whatever its length, as an rms over 4 directions. φ‴ comes from the differences between slopes at two
/// radii, a factor of 4 apart, and φ″ from second differences. The radii start at the parameters' own size, where
/// truncation is largest beside noise, and shrink until the derivative settles or noise hides it.
///
/// φ‴ may vanish where the parameters start (at 0 in an odd-symmetric model) but not where they will be. So the search
/// uses the larger of φ‴ and |φ⁗|·|φ′/φ″|, the change of φ‴ on the way to the minimum along a direction.
class radius_search {
  static constexpr std::uint32_t directions = 4;
  static constexpr double ratio = 4;  // between neighbouring radii; a power of 2 keeps them exact

 public:
  /// `losses`: those that directions begin at, in turn.
  radius_search(tuning::subject& subject, std::vector<double> losses, double sigma, bool central)
      : subject_(subject), losses_(std::move(losses)), sigma_(sigma), central_(central) {}

  radius run() {
    const double size = subject_.size();
    scale_ = size > 0 ? std::exp2(std::ceil(std::log2(size))) : 1;
    look(scale_);
    look(scale_ / ratio);
    std::size_t lower = 1;  // of the two levels compared, the one with the smaller t
    std::optional<double> seen = bend(1, 0);
    if (!seen) {
      // Try larger radii while the noise is more than a thousandth of the change that the slope makes over t.
      std::size_t upper = 0;
      for (int i = 0; i < 6 && !seen && sigma_ > 1e-3 * rms(levels_[upper].slope) * levels_[upper].t; ++i) {
        look(ratio * levels_[upper].t);
        if (!usable(levels_.back())) break;
        lower = upper;
        upper = levels_.size() - 1;
        seen = bend(lower, upper);
      }
    } else {
      for (int i = 0; i < 12; ++i) {
        look(levels_[lower].t / ratio);
        const std::optional<double> closer = bend(lower + 1, lower);
        if (!closer) {
          if (!is_finite(*seen)) seen = closer;  // farther away f is not finite, and here noise hides the derivative
          break;
        }
        ++lower;
        const bool settled = is_finite(*seen) && *closer < 2 * *seen && *seen < 2 * *closer;
        seen = closer;
        if (settled) break;
      }
    }
    return result(seen, size);
  }

 private:
  void look(double t) {
    level l{t, {}, {}};
    for (std::uint32_t i = 0; i < directions; ++i) {
      const double up = subject_.along(i, t), down = subject_.along(i, -t);
      l.slope.push_back((up - down) / (2 * t));
      const double loss = losses_[i % losses_.size()];
      l.curvature.push_back(((up - loss) + (down - loss)) / (t * t));
    }
    levels_.push_back(std::move(l));
  }

  static bool usable(const level& l) { return is_finite(rms(l.slope)) && is_finite(rms(l.curvature)); }

  /// The derivative that causes the truncation error, if it is more than 30 times what noise would show, as it is a
  /// little above the best ε. The margin is for noise from the parameters' rounding, which may be larger far from where
  /// it was measured. Infinite if a loss was not finite.
  std::optional<double> bend(std::size_t lower, std::size_t upper) const {
    const level &near = levels_[lower], &far = levels_[upper];
    if (!usable(near) || !usable(far)) return std::numeric_limits<double>::infinity();
    const double noise_of_curvature = std::sqrt(6.0) * sigma_ / (near.t * near.t);
    const auto significant = [](double value, double noise) {
      return value > 30 * noise ? std::optional(value) : std::nullopt;
    };
    if (!central_) return significant(rms(near.curvature), noise_of_curvature);
    const double squares = far.t * far.t - near.t * near.t;
    const double way = std::min(scale_, rms(near.slope) / std::max(std::abs(mean(near.curvature)), 1e-300));
    const auto third = significant(6 / squares * rms_of_difference(far.slope, near.slope),
                                   6 / squares * std::sqrt(0.5) * sigma_ / near.t);
    const auto fourth =
        significant(12 / squares * rms_of_difference(far.curvature, near.curvature), 12 / squares * noise_of_curvature);
    if (!third && !fourth) return std::nullopt;
    return std::max(third.value_or(0), fourth.value_or(0) * way);
  }

  radius result(const std::optional<double>& seen, double size) const {
    radius r;
    if (seen && !is_finite(*seen)) return r;
    for (const level& l : levels_)
      if (usable(l)) r.epsilon = std::max(r.epsilon, l.t);
    r.limited_by = epsilon_limit::range;
    if (seen) {
      r.higher_derivative = *seen;
      const double best = central_ ? std::cbrt(3 * sigma_ / *seen) : std::sqrt(std::sqrt(8.0) * sigma_ / *seen);
      if (best < r.epsilon) {
        r.epsilon = best;
        r.limited_by = epsilon_limit::balance;
      }
    }
    const double least = 8 * subject_.roundoff() * std::max(size, subject_.least_normal());
    if (r.epsilon < least) {
      r.epsilon = least;
      r.limited_by = epsilon_limit::resolution;
    }
    const level* near = nullptr;
    const auto distance = [&](const level& l) { return std::abs(std::log(l.t / r.epsilon)); };
    for (const level& l : levels_)
      if (usable(l) && (near == nullptr || distance(l) < distance(*near))) near = &l;
    r.size_of_z = subject_.size_of_z();
    r.slope = rms(near->slope);
    r.curvature = mean(near->curvature);
    return r;
  }

  subject& subject_;
  std::vector<double> losses_;
  double sigma_;
  bool central_;
  double scale_ = 1;
  std::vector<level> levels_;
};

}  // namespace tuning
}  // namespace zoft::inline ZOFT_ISA
