/// Includes xsimd, and makes up for what its versions lack or name differently.
#pragma once

#include <cstdint>

#include "../core/number.hpp"
#include "lanes.hpp"
// xsimd comes after lanes.hpp, which includes <immintrin.h> in a way that avoids a false warning from GCC 12.
#include <xsimd/xsimd.hpp>

namespace zoft::inline ZOFT_ISA::simd {

/// The compile-time instruction set, as far as lanes.hpp has code for it: AVX without AVX2, FMA and F16C counts as
/// SSE2.
#if defined(__AVX__) && !defined(ZOFT_HAS_AVX2)
using arch = xsimd::sse2;
#else
using arch = xsimd::default_arch;
#endif

template <class Arch = arch>
using floats = xsimd::batch<float, Arch>;

/// a·b + c, rounded once if there is an instruction for it. xsimd 8.1 has none for AVX-512: it multiplies and adds, and
/// only GCC makes one instruction of that.
template <class Arch>
[[gnu::always_inline]] inline floats<Arch> fma(const floats<Arch>& a, const floats<Arch>& b, const floats<Arch>& c) {
#if defined(ZOFT_HAS_AVX512)
  if constexpr (sizeof a == 64) return floats<Arch>(_mm512_fmadd_ps(a, b, c));
#endif
  return xsimd::fma(a, b, c);
}

/// Σ of the lanes. xsimd calls it hadd before version 10, and reduce_add since.
template <class Arch>
float sum(const floats<Arch>& v) {
#if XSIMD_VERSION_MAJOR < 10
  return xsimd::hadd(v);
#else
  return xsimd::reduce_add(v);
#endif
}

/// The greatest lane.
template <class Arch>
float greatest(const floats<Arch>& v) {
#if defined(ZOFT_HAS_AVX512)
  if constexpr (sizeof v == 64) return _mm512_reduce_max_ps(v);
#endif
  alignas(64) float lane[floats<Arch>::size];
  v.store_aligned(lane);
  float result = lane[0];
  for (const float value : lane) result = value > result ? value : result;
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::simd
