/// The values that the codes of weights stand for, and tables of them for vectors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../../core/number.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The values of nf4's codes: quantiles of N(0, 1), divided by the greatest, with 0 among them, as in the reference
/// program of Dettmers et al.
inline constexpr std::array<float, 16> nf4_values{
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

namespace codes {

template <class T, std::size_t N, class F>
constexpr std::array<T, N> table(F f) {
  std::array<T, N> result{};
  for (std::size_t i = 0; i < N; ++i) result[i] = static_cast<T>(f(i));
  return result;
}

constexpr unsigned bits(float value) { return bfloat16(value).bits; }

/// The upper and the lower byte of bfloat16 for the magnitudes of i8's codes. All are exact.
inline constexpr auto upper_bytes =
    table<std::uint8_t, 128>([](std::size_t q) { return bits(static_cast<float>(q)) >> 8; });
inline constexpr auto lower_bytes =
    table<std::uint8_t, 128>([](std::size_t q) { return bits(static_cast<float>(q)) & 0xffu; });

/// The values of i4's and nf4's codes in bfloat16, all 16 of them twice. i4's are exact.
inline constexpr auto i4_words =
    table<std::uint16_t, 32>([](std::size_t i) { return bits(static_cast<float>(i % 16) - 8); });
inline constexpr auto nf4_words = table<std::uint16_t, 32>([](std::size_t i) { return bits(nf4_values[i % 16]); });

}  // namespace codes
}  // namespace zoft::inline ZOFT_ISA::nn
