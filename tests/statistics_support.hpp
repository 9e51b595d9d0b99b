// z as a sample: fixed seeds, and bounds of five standard deviations of the statistic itself.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "core_support.hpp"

namespace statistics {

// How many elements: the preset `statistics` asks for more.
#ifdef ZOFT_LONG_STATISTICS
inline constexpr std::size_t n = std::size_t{1} << 26, tail_samples = 10'000'000'000;
#else
inline constexpr std::size_t n = std::size_t{1} << 20, tail_samples = 20'000'000;
#endif

// |Σ terms| of `count` terms of mean 0 and the given variance.
inline void check_mean_is_zero(double sum, double count, double variance) {
  CHECK(std::abs(sum) < 5 * std::sqrt(count * variance));
}

// Kolmogorov and Smirnov: z against a distribution function.
template <class Cdf>
void check_distribution(std::vector<float> z, Cdf cdf) {
  std::sort(z.begin(), z.end());
  const auto count = static_cast<double>(z.size());
  double distance = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double at = cdf(static_cast<double>(z[i]));
    distance = std::max({distance, at - static_cast<double>(i) / count, static_cast<double>(i + 1) / count - at});
  }
  // P(√n·D > k) → 2·exp(−2k²), which is 5.7e-7, the two tails beyond 5 sigma, at k = 2.744.
  CHECK(std::sqrt(count) * distance < 2.744);
}

inline double product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace statistics
