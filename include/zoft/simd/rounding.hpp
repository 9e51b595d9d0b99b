/// Rounds floats to 16-bit numbers by random bits instead of to nearest.
#pragma once

#include <bit>
#include <cstdint>

#include "../core/number.hpp"
#include "lanes.hpp"

namespace zoft::inline ZOFT_ISA::simd {

/// round(value, bits) gives one of value's two neighbours among T's numbers, as a float. If bits are drawn evenly from
/// 0 … 2¹⁶ − 1, it rounds away from 0 with probability (distance to the neighbour nearer to 0) / (distance between the
/// two), to within 2⁻¹⁶ (2⁻¹² for half below 2⁻¹⁴). A number of type T stays as it is, and so does what lies beyond T's
/// largest number, infinity and NaN among it.
template <class T>
struct stochastic;

template <>
struct stochastic<bfloat16> {
  [[gnu::always_inline]] static f32 round(f32 value, u32 bits) {
    const u32 word = reinterpret_cast<u32>(value);
    const u32 beyond = reinterpret_cast<u32>((word & 0x7fffffffu) > splat(largest));
    // A carry out of the lower half adds one spacing, also into the next binade.
    return reinterpret_cast<f32>((word & beyond) | ((word + bits) & 0xffff0000u & ~beyond));
  }
  /// The reference: one number, from the definition.
  static float reference(float value, std::uint32_t bits) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    if ((word & 0x7fffffffu) > largest) return value;
    return std::bit_cast<float>((word & 0xffffu) + bits < 0x10000u ? word & 0xffff0000u
                                                                   : (word & 0xffff0000u) + 0x10000u);
  }

 private:
  static constexpr std::uint32_t largest = 0x7f7f0000u;  // as a float
};

template <>
struct stochastic<half> {
  [[gnu::always_inline]] static f32 round(f32 value, u32 bits) {
    const u32 word = reinterpret_cast<u32>(value), sign = word & 0x80000000u, magnitude = word ^ sign;
    const u32 beyond = reinterpret_cast<u32>(magnitude > splat(largest));
    const u32 normal = (magnitude + (bits >> 3)) & ~0x1fffu;
    // Below 2⁻¹⁴ the spacing is 2⁻²⁴. Floats from 0.5 to 1 have the same spacing, so adding 0.75 rounds to it. An
    // offset of less than half a spacing, symmetrical about 0, makes that random and leaves multiples of the spacing as
    // they are.
    const f32 offset =
        __builtin_convertvector(reinterpret_cast<i32>(bits >> 4), f32) * 0x1p-36f + (0x1p-37f - 0x1p-25f);
    const f32 tiny = rounded<f32>(
        rounded<f32>(rounded<f32>(reinterpret_cast<f32>(magnitude) + rounded<f32>(offset)) + 0.75f) - 0.75f);
    const u32 is_tiny = reinterpret_cast<u32>(magnitude < splat(0x38800000u));
    const u32 result = (is_tiny & reinterpret_cast<u32>(tiny)) | (~is_tiny & normal);
    return reinterpret_cast<f32>((word & beyond) | ((result | sign) & ~beyond));
  }
  static float reference(float value, std::uint32_t bits) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = word & 0x80000000u, magnitude = word ^ sign;
    if (magnitude > largest) return value;
    if (magnitude >= 0x38800000u) return std::bit_cast<float>(((magnitude + (bits >> 3)) & ~0x1fffu) | sign);
    // In spacings: the whole part, and one more if the fraction and the random bits together exceed 1.
    const double spacings = static_cast<double>(std::bit_cast<float>(magnitude)) * 0x1p24;
    const auto whole = static_cast<std::uint32_t>(spacings);
    const double up = spacings - whole + ((bits >> 4) + 0.5) * 0x1p-12 > 1;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(static_cast<float>((whole + up) * 0x1p-24)) | sign);
  }

 private:
  static constexpr std::uint32_t largest = 0x477fe000u;  // 65504, as a float
};

/// How many of n numbers differ in any bit between `before` and `after`. T is float or double.
template <class T>
[[gnu::noinline]] std::size_t count_changed(const T* before, const T* after, std::size_t n) {
  using word = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  using words [[gnu::vector_size(register_bytes)]] = word;
  constexpr std::size_t width = register_bytes / sizeof(T);
  words changed{};
  std::size_t i = 0, result = 0;
  for (; i + width <= n; i += width) changed -= load<words>(before + i) != load<words>(after + i);
  for (std::size_t lane = 0; lane < width; ++lane) result += static_cast<std::size_t>(changed[lane]);
  for (; i < n; ++i) result += std::memcmp(before + i, after + i, sizeof(T)) != 0;
  return result;
}

/// How many of n numbers are not 0.
template <class T>
[[gnu::noinline]] std::size_t count_nonzero(const T* x, std::size_t n) {
  using V [[gnu::vector_size(register_bytes)]] = T;
  using word = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  using words [[gnu::vector_size(register_bytes)]] = word;
  constexpr std::size_t width = register_bytes / sizeof(T);
  words nonzero{};
  std::size_t i = 0, result = 0;
  for (; i + width <= n; i += width) nonzero -= reinterpret_cast<words>(load<V>(x + i) != V{});
  for (std::size_t lane = 0; lane < width; ++lane) result += static_cast<std::size_t>(nonzero[lane]);
  for (; i < n; ++i) result += x[i] != 0;
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::simd
