/// bfloat16 and IEEE half as storage: two bytes that widen to float and round back once, to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// Whether the value is neither infinite nor NaN. Looks at the bits, because under -ffast-math std::isfinite is true
/// for everything.
constexpr bool is_finite(double value) {
  constexpr std::uint64_t exponent = 0x7ff0000000000000u;
  return (std::bit_cast<std::uint64_t>(value) & exponent) != exponent;
}

/// 1 sign, 8 exponent and 7 fraction bits: the upper half of a float. Relative rounding error at most 2⁻⁸.
struct bfloat16 {
  std::uint16_t bits = 0;  ///< as stored

  constexpr bfloat16() = default;
  /// Rounds to nearest, ties to even.
  constexpr explicit bfloat16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool nan = (word & 0x7fffffffu) > 0x7f800000u;
    bits = static_cast<std::uint16_t>(nan ? (word >> 16) | 0x40u : (word + 0x7fffu + (word >> 16 & 1u)) >> 16);
  }
  /// Exact.
  constexpr explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
  constexpr bool operator==(const bfloat16&) const = default;
};

/// What rounding to bfloat16 removes from a value; exact.
constexpr float lower_part(float value) { return value - static_cast<float>(bfloat16(value)); }

/// IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. Relative rounding error at most 2⁻¹¹ between 2⁻¹⁴ and
/// 65504. Smaller values are subnormal; values from 65520 on become infinite.
struct half {
  std::uint16_t bits = 0;  ///< as stored

  constexpr half() = default;
  /// Rounds to nearest, ties to even.
  constexpr explicit half(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = word >> 16 & 0x8000u, magnitude = word & 0x7fffffffu;
    std::uint32_t result = 0;
    if (magnitude > 0x7f800000u) {
      result = 0x7e00u | (magnitude >> 13 & 0x3ffu);  // NaN, quiet
    } else if (magnitude >= 0x477ff000u) {
      result = 0x7c00u;  // 65520 and above round to infinity
    } else if (magnitude >= 0x38800000u) {
      const std::uint32_t rebased = magnitude - 0x38000000u;  // exponent bias 127 -> 15
      result = (rebased + 0xfffu + (rebased >> 13 & 1u)) >> 13;
    } else {
      // Subnormal: adding 0.5 leaves the value in units of 2⁻²⁴ in the last bits, rounded by the addition itself.
      result = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
    }
    bits = static_cast<std::uint16_t>(sign | result);
  }
  /// Exact.
  constexpr explicit operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
    if (magnitude >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
    if (magnitude >= 0x0400u) return std::bit_cast<float>(sign | ((magnitude << 13) + 0x38000000u));
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
  }
  constexpr bool operator==(const half&) const = default;
};

/// The type in which arithmetic on numbers stored as T is done: double for double; float for float, bfloat16 and half.
template <class T>
using arithmetic_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
concept number =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, bfloat16> || std::is_same_v<T, half>;

}  // namespace zoft::inline ZOFT_ISA
