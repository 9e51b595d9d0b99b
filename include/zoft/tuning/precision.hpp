/// What rounding does to parameters, and how large these are.
#pragma once

#include <cmath>
#include <span>
#include <type_traits>

#include "../core/number.hpp"

namespace zoft::inline ZOFT_ISA::tuning {

/// The largest relative rounding error of numbers stored as T, and the smallest normal number.
template <number T>
constexpr double roundoff = std::is_same_v<T, double>  ? 0x1p-53
                            : std::is_same_v<T, float> ? 0x1p-24
                            : std::is_same_v<T, half>  ? 0x1p-11
                                                       : 0x1p-8;
template <number T>
constexpr double least_normal = std::is_same_v<T, double> ? 0x1p-1022
                                : std::is_same_v<T, half> ? 0x1p-14
                                                          : 0x1p-126;

/// rms of the elements of x.
template <number T>
double size_of(std::span<const T> x) {
  double squares = 0;
  for (const T& v : x) {
    const auto wide = static_cast<double>(static_cast<arithmetic_t<T>>(v));
    squares += wide * wide / static_cast<double>(x.size());
  }
  return std::sqrt(squares);
}

}  // namespace zoft::inline ZOFT_ISA::tuning
