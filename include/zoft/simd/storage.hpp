/// Loads and stores vectors of floats in any storage type: loads widen, stores round to nearest, ties to even.
#pragma once

#include <type_traits>
#include <utility>

#include "../core/number.hpp"
#include "lanes.hpp"

namespace zoft::inline ZOFT_ISA::simd {

/// Each of these handles `lanes` numbers.
[[gnu::always_inline]] inline f32 load_wide(const float* from) { return load<f32>(from); }
[[gnu::always_inline]] inline void store_narrow(float* to, f32 value) { store(to, value); }

[[gnu::always_inline]] inline f32 load_wide(const bfloat16* from) {
  using narrow [[gnu::vector_size(register_bytes / 2)]] = std::uint16_t;
  return reinterpret_cast<f32>(__builtin_convertvector(load<narrow>(from), u32) << 16);
}

/// A value rounded to bfloat16, in the upper halves of its lanes. A NaN must come from arithmetic with a bfloat16: its
/// lower half is then 0, so nothing carries out of it. (The instruction for this treats subnormal numbers as 0.)
[[gnu::always_inline]] inline u32 rounded_to_bfloat16(f32 value) {
  const u32 word = reinterpret_cast<u32>(value);
  return word + 0x7fffu + (word >> 16 & 1u);
}

[[gnu::always_inline]] inline void store_narrow(bfloat16* to, f32 value) {
  using narrow [[gnu::vector_size(register_bytes / 2)]] = std::uint16_t;
  store(to, __builtin_convertvector(rounded_to_bfloat16(value) >> 16, narrow));
}

[[gnu::always_inline]] inline f32 load_wide(const half* from) {
#if defined(ZOFT_HAS_AVX512)
  return reinterpret_cast<f32>(_mm512_maskz_cvtph_ps(0xffff, load<__m256i>(from)));
#elif defined(ZOFT_HAS_AVX2)
  return reinterpret_cast<f32>(_mm256_cvtph_ps(load<__m128i>(from)));
#elif defined(ZOFT_HAS_NEON)
  return reinterpret_cast<f32>(vcvt_f32_f16(load<float16x4_t>(from)));
#else
  f32 value;
  for (std::size_t i = 0; i < lanes; ++i) value[i] = static_cast<float>(from[i]);
  return value;
#endif
}

[[gnu::always_inline]] inline void store_narrow(half* to, f32 value) {
#if defined(ZOFT_HAS_AVX512)
  store(to,
        _mm512_maskz_cvtps_ph(0xffff, reinterpret_cast<__m512>(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(ZOFT_HAS_AVX2)
  store(to, _mm256_cvtps_ph(reinterpret_cast<__m256>(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(ZOFT_HAS_NEON)
  store(to, vcvt_f16_f32(reinterpret_cast<float32x4_t>(value)));
#else
  for (std::size_t i = 0; i < lanes; ++i) to[i] = half(float{value[i]});
#endif
}

/// `lanes` one-byte integers, widened to 32 bits.
template <class Byte>
requires std::is_same_v<Byte, std::int8_t> || std::is_same_v<Byte, std::uint8_t>
[[gnu::always_inline]] inline i32 load_wide(const Byte* from) {
  [[maybe_unused]] constexpr bool negative = std::is_signed_v<Byte>;
#if defined(ZOFT_HAS_AVX512)
  const auto bytes = load<__m128i>(from);
  return reinterpret_cast<i32>(negative ? _mm512_maskz_cvtepi8_epi32(0xffff, bytes)
                                        : _mm512_maskz_cvtepu8_epi32(0xffff, bytes));
#elif defined(ZOFT_HAS_AVX2)
  const __m128i bytes = _mm_loadu_si64(from);
  return reinterpret_cast<i32>(negative ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
#else
  i32 value;
  for (std::size_t i = 0; i < lanes; ++i) value[i] = from[i];
  return value;
#endif
}

/// A vector of floats as two of doubles.
[[gnu::always_inline]] inline void widen(f32 value, f64 (&pair)[2]) {
  using half_of_it [[gnu::vector_size(register_bytes / 2)]] = float;
  half_of_it part[2];
  std::memcpy(part, &value, sizeof value);
#pragma GCC unroll 2
  for (std::size_t i = 0; i < 2; ++i) pair[i] = __builtin_convertvector(part[i], f64);
}

/// Two vectors of consecutive numbers.
template <class T>
[[gnu::always_inline]] inline void load_wide(const T* from, f32 (&pair)[2]) {
#if defined(ZOFT_HAS_AVX512)
  if constexpr (std::is_same_v<T, bfloat16>) {
    const u16 both = load<u16>(from);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      pair[0] = reinterpret_cast<f32>(__builtin_shufflevector(u16{}, both, (I % 2 ? 2 * lanes + I / 2 : I)...));
      pair[1] = reinterpret_cast<f32>(__builtin_shufflevector(u16{}, both, (I % 2 ? 3 * lanes + I / 2 : I)...));
    }
    (std::make_index_sequence<2 * lanes>{});
    return;
  }
#endif
  pair[0] = load_wide(from);
  pair[1] = load_wide(from + lanes);
}

template <class T>
[[gnu::always_inline]] inline void store_narrow(T* to, const f32 (&pair)[2]) {
#if defined(ZOFT_HAS_AVX512)
  if constexpr (std::is_same_v<T, bfloat16>) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      const u16 high =
          __builtin_shufflevector(reinterpret_cast<u16>(pair[0]), reinterpret_cast<u16>(pair[1]), (2 * I + 1)...);
      const u16 low =
          __builtin_shufflevector(reinterpret_cast<u16>(pair[0]), reinterpret_cast<u16>(pair[1]), (2 * I)...);
      // Round up if the rest is more than half, or half with an odd last bit.
      const __mmask32 up =
          _mm512_cmpgt_epu16_mask(reinterpret_cast<__m512i>(low | (high & 1)), _mm512_set1_epi16(-0x8000));
      store(to, _mm512_mask_add_epi16(reinterpret_cast<__m512i>(high), up, reinterpret_cast<__m512i>(high),
                                      _mm512_set1_epi16(1)));
    }
    (std::make_index_sequence<2 * lanes>{});
    return;
  }
#endif
  store_narrow(to, pair[0]);
  store_narrow(to + lanes, pair[1]);
}

}  // namespace zoft::inline ZOFT_ISA::simd
