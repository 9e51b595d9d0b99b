/// The spread of a step's losses, for estimators that measure in units of it.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "../../core/config.hpp"
#include "../../simd/lanes.hpp"

namespace zoft::inline ZOFT_ISA::estimation {

/// Mean of n values, and the sum of squared differences from it. The mean is computed from differences to the first
/// value: if all values are equal, it is exactly that value and the sum is exactly 0, whatever rounding does.
struct spread {
  double mean = 0;
  double squares = 0;
  std::size_t count = 0;

  explicit spread(std::span<const double> values) : count(values.size()) {
    double sum = 0;
    for (const double v : values) sum += v - values[0];
    mean = values[0] + sum / static_cast<double>(count);
    for (const double v : values) squares = simd::multiply_add(v - mean, v - mean, squares);
  }

  /// √(Σ (v − mean)²/(n − 1)), the usual standard deviation, and the same with n.
  double of_sample() const { return std::sqrt(squares / static_cast<double>(count - 1)); }
  double of_population() const { return std::sqrt(squares / static_cast<double>(count)); }
};

/// √(Σ v²/n)
inline double root_mean_square(std::span<const double> values) {
  double squares = 0;
  for (const double v : values) squares = simd::multiply_add(v, v, squares);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

}  // namespace zoft::inline ZOFT_ISA::estimation
