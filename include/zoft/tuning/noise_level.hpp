/// Measures how noisy a function is, from a few of its values.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "../core/number.hpp"

namespace zoft::inline ZOFT_ISA {

/// What a difference table of values shows.
enum class table_verdict {
  noise,      ///< differences of neighbouring orders agree on σ and change sign
  exact,      ///< differences of some order are all 0: a polynomial without any noise
  too_close,  ///< half or more of the neighbouring values are equal: the points must be further apart
  too_far,    ///< the differences are those of the function itself: the points must be closer together
};

/// σ as measured from a table of values.
struct noise_level {
  double value = 0;       ///< σ; if the verdict is too_far, about an upper bound of it
  std::size_t order = 0;  ///< k, the order of the differences that gave it
  double spacing = 0;     ///< h, distance between the points
  double magnitude = 0;   ///< the largest |f|
  table_verdict verdict = table_verdict::too_far;

  bool constant() const { return verdict == table_verdict::too_close; }  ///< equal wherever f was evaluated
};

/// Values at equally spaced points -> their noise. The k-th differences of a smooth function vanish as hᵏ. Those of
/// independent errors of variance σ² keep the variance σ²(2k)!/(k!)²:
///
///     σ_k² = γ_k · mean of squared k-th differences        γ_k = (k!)²/(2k)!
///
/// σ is the first σ_k that agrees with the two after it within a factor of 4 and whose differences change sign. Moré
/// and Wild 2011, "Estimating computational noise", SIAM J. Sci. Comput. 33:1292 (ECnoise). Nothing is assumed about
/// the errors' distribution. Rounding, quantisation and the sampling of a data set are noise too.
inline noise_level noise_of(std::span<const double> values) {
  noise_level result;
  std::vector<double> d(values.begin(), values.end());
  for (const double v : d) {
    if (!is_finite(v)) return result;
    result.magnitude = std::max(result.magnitude, std::abs(v));
  }
  std::vector<double> level;
  std::vector<bool> alternates;
  double gamma = 1;
  for (std::size_t k = 1; k < values.size(); ++k) {
    for (std::size_t i = 0; i + 1 < d.size(); ++i) d[i] = d[i + 1] - d[i];
    d.pop_back();
    const auto equal = static_cast<std::size_t>(std::count(d.begin(), d.end(), 0.0));
    if (k == 1 && 2 * equal >= d.size()) {
      result.verdict = table_verdict::too_close;
      return result;
    }
    if (equal == d.size() && d.size() > 1) {
      result.order = k;
      result.verdict = table_verdict::exact;
      return result;
    }
    gamma *= static_cast<double>(k) / static_cast<double>(4 * k - 2);
    double squares = 0;
    for (const double v : d) squares += v * v / static_cast<double>(d.size());
    level.push_back(std::sqrt(gamma * squares));
    const auto [least, most] = std::minmax_element(d.begin(), d.end());
    alternates.push_back(*least < 0 && *most > 0);
  }
  for (std::size_t k = 1; k + 2 <= level.size(); ++k) {
    const auto [least, most] = std::minmax({level[k - 1], level[k], level[k + 1]});
    if (!alternates[k - 1] || most > 4 * least) continue;
    result.value = level[k - 1];
    result.order = k;
    result.verdict = table_verdict::noise;
    return result;
  }
  const auto smallest = std::min_element(level.begin(), level.end());
  result.value = *smallest;
  result.order = static_cast<std::size_t>(smallest - level.begin()) + 1;
  return result;
}

/// The noise of f: double(double) around 0, from 9 values h apart. If these are too close together or too far apart, it
/// tries another h: 8 tables at most. A function that varies much within h looks noisy too, but not at a smaller
/// spacing. So noise above rounding, more than 10⁻⁶ of |f|, is confirmed at h/64: it must be at least a quarter as
/// large there, or the values must be equal, as they are for a quantised f. As f may still have varied within h, σ is
/// then the least of those claimed between. If all tables were too far apart, σ is the smallest upper bound. If all
/// were too close, f is constant as far as could be seen.
template <class F>
noise_level measure_noise(F&& f, double h) {
  constexpr int points = 9, tables = 8;
  double above = 0, below = 0;  // spacings known to be too far, and too close
  noise_level best;
  std::optional<noise_level> claimed;
  const auto look = [&](double spacing) {
    std::array<double, points> values;
    for (int j = 0; j < points; ++j) values[static_cast<std::size_t>(j)] = f((j - points / 2) * spacing);
    noise_level now = noise_of(values);
    now.spacing = spacing;
    return now;
  };
  for (int i = 0; i < tables; ++i) {
    const noise_level now = look(h);
    const bool noisy = now.verdict == table_verdict::noise;
    if (claimed && noisy && 4 * now.value > claimed->value) return *claimed;
    if (claimed && now.constant()) {
      for (double low = h, up = claimed->spacing; up > 4 * low && ++i < tables;) {
        const noise_level between = look(std::exp2(std::round(std::log2(std::sqrt(low * up)))));
        (between.constant() ? low : up) = between.spacing;
        const bool coarse = between.verdict == table_verdict::noise && between.value > 1e-6 * between.magnitude;
        if (coarse && between.value < claimed->value) claimed = between;
      }
      return *claimed;
    }
    claimed.reset();
    bool far = now.verdict == table_verdict::too_far;
    if (noisy && now.value > 1e-6 * now.magnitude) {
      claimed = now;
      far = true;
    } else if (noisy || now.verdict == table_verdict::exact) {
      return now;
    }
    const bool better = best.magnitude == 0 || best.constant() || (far && now.value < best.value);
    if (is_finite(now.magnitude) && (!far || now.value > 0) && better) best = now;
    (far ? above : below) = h;
    if (!claimed && above > 0 && below > 0 && above <= 4 * below) break;
    const double next = above == 0 ? 64 * below : below == 0 || claimed ? above / 64 : std::sqrt(above * below);
    h = std::exp2(std::round(std::log2(next)));
  }
  return claimed ? *claimed : best;
}

}  // namespace zoft::inline ZOFT_ISA
