/// Inner products, summed in a fixed order.
#pragma once

#include <cstddef>

#include "../simd/lanes.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// Σ aᵢbᵢ in double, as eight sums over every eighth element, which are added in pairs at the end. The result is the
/// same on all instruction sets. Products of floats are exact in double, so each term is rounded only once.
class eight_sums {
 public:
  /// Adds the next n elements. n is a multiple of 8, so pad the end with zeros.
  void add(const double* a, const double* b, std::size_t n) {
    constexpr std::size_t width = simd::lanes / 2;
    for (std::size_t i = 0; i < n; i += 8)
      for (std::size_t j = 0; j < 8; j += width)
        simd::store(sums_ + j, simd::multiply_add(simd::load<simd::f64>(a + i + j), simd::load<simd::f64>(b + i + j),
                                                  simd::load<simd::f64>(sums_ + j)));
  }

  double total() const {
    double sums[8];
    for (std::size_t j = 0; j < 8; ++j) sums[j] = sums_[j];
    for (std::size_t half = 4; half > 0; half /= 2)
      for (std::size_t j = 0; j < half; ++j) sums[j] = simd::rounded<double>(sums[j] + sums[j + half]);
    return sums[0];
  }

 private:
  double sums_[8] = {};
};

}  // namespace zoft::inline ZOFT_ISA::random
