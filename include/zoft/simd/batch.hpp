/// xsimd, and what its versions lack or call by other names.
#pragma once

#include <cstdint>

#include "../number.hpp"
#include "lanes.hpp"
// xsimd comes after lanes.hpp, which includes <immintrin.h> in the way that keeps GCC 12 from a false warning.
#include <xsimd/xsimd.hpp>

namespace zoft::inline ZOFT_ISA::simd {

template <class Arch = xsimd::default_arch>
using floats = xsimd::batch<float, Arch>;

/// Σ of the lanes. xsimd called it hadd before version 10, reduce_add since.
template <class Arch>
float sum(const floats<Arch>& v) {
#if XSIMD_VERSION_MAJOR < 10
  return xsimd::hadd(v);
#else
  return xsimd::reduce_add(v);
#endif
}

/// The greatest of the lanes.
template <class Arch>
float greatest(const floats<Arch>& v) {
  alignas(64) float lane[floats<Arch>::size];
  v.store_aligned(lane);
  float result = lane[0];
  for (const float value : lane) result = value > result ? value : result;
  return result;
}

/// A vector of weights, widened to float.
template <class Arch>
[[gnu::always_inline]] inline floats<Arch> widened(const float* from) {
  return floats<Arch>::load_unaligned(from);
}
template <class Arch>
[[gnu::always_inline]] inline floats<Arch> widened(const bfloat16* from) {
  static_assert(sizeof(floats<Arch>) == sizeof(f32),
                "the compile-time instruction set and the kernel's differ in width");
  using narrow [[gnu::vector_size(register_bytes / 2)]] = std::uint16_t;
  const u32 wide = __builtin_convertvector(load<narrow>(from), u32) << 16;
  return floats<Arch>::load_unaligned(reinterpret_cast<const float*>(&wide));
}

}  // namespace zoft::inline ZOFT_ISA::simd
