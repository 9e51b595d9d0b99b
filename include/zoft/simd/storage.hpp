/// Vectors of floats from and to what numbers are stored as: loads widen, stores round to nearest, ties to even.
#pragma once

#include "../number.hpp"
#include "lanes.hpp"

namespace zoft::inline ZOFT_ISA::simd {

/// `lanes` numbers each.
[[gnu::always_inline]] inline f32 load_wide(const float* from) { return load<f32>(from); }
[[gnu::always_inline]] inline void store_narrow(float* to, f32 value) { store(to, value); }

[[gnu::always_inline]] inline f32 load_wide(const bfloat16* from) {
  using narrow [[gnu::vector_size(register_bytes / 2)]] = std::uint16_t;
  return (f32)(__builtin_convertvector(load<narrow>(from), u32) << 16);
}

[[gnu::always_inline]] inline void store_narrow(bfloat16* to, f32 value) {
#if defined(ZOFT_HAS_AVX512) && defined(__AVX512BF16__)
  // The instruction takes subnormal numbers for 0.
  constexpr int subnormal = 0x20;
  if (_mm512_fpclass_ps_mask((__m512)value, subnormal) == 0) [[likely]]
    return store(to, _mm512_cvtneps_pbh((__m512)value));
#endif
  using narrow [[gnu::vector_size(register_bytes / 2)]] = std::uint16_t;
  const u32 word = (u32)value;
  const u32 rounded = word + 0x7fffu + (word >> 16 & 1u), quiet = word | 0x400000u;
  const u32 nan = (u32)((i32)(word & 0x7fffffffu) > (i32)splat(0x7f800000u));
  store(to, __builtin_convertvector(((rounded & ~nan) | (quiet & nan)) >> 16, narrow));
}

[[gnu::always_inline]] inline f32 load_wide(const half* from) {
#if defined(ZOFT_HAS_AVX512)
  return (f32)_mm512_maskz_cvtph_ps(0xffff, load<__m256i>(from));
#elif defined(ZOFT_HAS_AVX2)
  return (f32)_mm256_cvtph_ps(load<__m128i>(from));
#elif defined(ZOFT_HAS_NEON)
  return (f32)vcvt_f32_f16(load<float16x4_t>(from));
#else
  f32 value;
  for (std::size_t i = 0; i < lanes; ++i) value[i] = static_cast<float>(from[i]);
  return value;
#endif
}

[[gnu::always_inline]] inline void store_narrow(half* to, f32 value) {
#if defined(ZOFT_HAS_AVX512)
  store(to, _mm512_maskz_cvtps_ph(0xffff, (__m512)value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(ZOFT_HAS_AVX2)
  store(to, _mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(ZOFT_HAS_NEON)
  store(to, vcvt_f16_f32((float32x4_t)value));
#else
  for (std::size_t i = 0; i < lanes; ++i) to[i] = half(float{value[i]});
#endif
}

}  // namespace zoft::inline ZOFT_ISA::simd
