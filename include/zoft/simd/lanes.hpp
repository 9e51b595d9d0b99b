/// Vectors as wide as the instruction set's registers, for code that must give the same bits on all instruction sets.
///
/// They are the compilers' own vector types, not xsimd's. Including xsimd costs 0.5 to 1 s of compile time, which
/// nobody who includes <zoft/mezo.hpp> should pay, and noise needs only the few operations below besides + − · & | ^
/// and shifts.
///
/// Small loops over such vectors have a `#pragma GCC unroll`: with -O2 alone GCC keeps them, and the vectors in memory,
/// which halves the speed of noise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../core/config.hpp"

#if defined(ZOFT_HAS_SSE2)
// GCC 12 mistakes the undefined pass-through of unmasked AVX-512 intrinsics, which xsimd uses, for an uninitialised
// variable.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#elif defined(ZOFT_HAS_NEON)
#include <arm_neon.h>
#elif defined(ZOFT_HAS_WASM)
#include <wasm_simd128.h>
#endif

namespace zoft::inline ZOFT_ISA::simd {

#if defined(ZOFT_HAS_AVX512)
inline constexpr std::size_t register_bytes = 64;
#elif defined(ZOFT_HAS_AVX2)
inline constexpr std::size_t register_bytes = 32;
#else
inline constexpr std::size_t register_bytes = 16;
#endif

/// The number of vector registers.
#if defined(ZOFT_HAS_AVX512) || defined(ZOFT_HAS_NEON)
inline constexpr std::size_t vector_registers = 32;
#else
inline constexpr std::size_t vector_registers = 16;
#endif

/// 32-bit lanes of a register: 16, 8 or 4.
inline constexpr std::size_t lanes = register_bytes / 4;

using f32 [[gnu::vector_size(register_bytes)]] = float;
using f64 [[gnu::vector_size(register_bytes)]] = double;
using u16 [[gnu::vector_size(register_bytes)]] = std::uint16_t;
using u32 [[gnu::vector_size(register_bytes)]] = std::uint32_t;
using i32 [[gnu::vector_size(register_bytes)]] = std::int32_t;
using u64 [[gnu::vector_size(register_bytes)]] = std::uint64_t;

[[gnu::always_inline]] inline f32 splat(float value) { return value - f32{}; }
[[gnu::always_inline]] inline u32 splat(std::uint32_t value) { return value - u32{}; }
[[gnu::always_inline]] inline u64 splat(std::uint64_t value) { return value - u64{}; }

template <class V, class T>
[[gnu::always_inline]] inline V load(const T* from) {
  V value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class V, class T>
[[gnu::always_inline]] inline void store(T* to, V value) {
  std::memcpy(static_cast<void*>(to), &value, sizeof value);
}

/// Returns the value, which the compiler must take as rounded: nothing reaches across this call, neither the
/// contraction of a product and a sum into an fma nor anything that -ffast-math allows.
template <class V>
[[gnu::always_inline]] inline V rounded(V value) {
#if defined(ZOFT_HAS_AVX512)
  asm("" : "+v"(value));
#elif defined(ZOFT_HAS_SSE2)
  asm("" : "+x"(value));
#elif defined(ZOFT_HAS_NEON)
  asm("" : "+w"(value));
#elif defined(ZOFT_HAS_WASM)
  asm("" : "+r"(value));
#else
  asm("" : "+m"(value));
#endif
  return value;
}

/// a·b + c, rounded after the product and after the sum. zoft must give the same bits on instruction sets without fma
/// (the compilers' default x86-64, WebAssembly), where an exact fma costs eight times as much as the two roundings.
template <class V>
[[gnu::always_inline]] inline V multiply_add(V a, V b, V c) {
  return rounded<V>(rounded<V>(a * b) + c);
}

// Full masks cost no instruction, and avoid the same warning of GCC 12 if <immintrin.h> was included earlier.

/// The 64-bit products of the lower halves of the 64-bit lanes.
[[gnu::always_inline]] inline u64 multiply_low_halves(u64 a, u64 b) {
#if defined(ZOFT_HAS_AVX512)
  return reinterpret_cast<u64>(
      _mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(ZOFT_HAS_AVX2)
  return reinterpret_cast<u64>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(ZOFT_HAS_SSE2)
  return reinterpret_cast<u64>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#elif defined(ZOFT_HAS_NEON)
  return reinterpret_cast<u64>(
      vmull_u32(vmovn_u64(reinterpret_cast<uint64x2_t>(a)), vmovn_u64(reinterpret_cast<uint64x2_t>(b))));
#else
  return (a & 0xffffffffu) * (b & 0xffffffffu);
#endif
}

/// `even` and `odd` hold the even and the odd 64-bit elements of one vector. Returns the lower halves of all elements,
/// in order; interleave_high returns the upper halves.
[[gnu::always_inline]] inline u32 interleave_low(u64 even, u64 odd) {
#if defined(ZOFT_HAS_AVX512)
  return reinterpret_cast<u32>(_mm512_mask_shuffle_epi32(reinterpret_cast<__m512i>(even), 0xaaaa,
                                                         reinterpret_cast<__m512i>(odd), _MM_PERM_CCAA));
#elif defined(ZOFT_HAS_AVX2)
  return reinterpret_cast<u32>(
      _mm256_blend_epi32(reinterpret_cast<__m256i>(even), reinterpret_cast<__m256i>(odd << 32), 0xaa));
#else
  return reinterpret_cast<u32>((even & 0xffffffffu) | odd << 32);
#endif
}
[[gnu::always_inline]] inline u32 interleave_high(u64 even, u64 odd) {
#if defined(ZOFT_HAS_AVX512)
  return reinterpret_cast<u32>(_mm512_mask_shuffle_epi32(reinterpret_cast<__m512i>(odd), 0x5555,
                                                         reinterpret_cast<__m512i>(even), _MM_PERM_DDBB));
#elif defined(ZOFT_HAS_AVX2)
  return reinterpret_cast<u32>(
      _mm256_blend_epi32(reinterpret_cast<__m256i>(even >> 32), reinterpret_cast<__m256i>(odd), 0xaa));
#else
  return reinterpret_cast<u32>(even >> 32 | (odd & ~std::uint64_t{0xffffffffu}));
#endif
}

/// √x, correctly rounded. Written as the instruction, because clang with -ffast-math uses an estimate for the
/// intrinsic.
[[gnu::always_inline]] inline f32 square_root(f32 x) {
  f32 root;
#if defined(ZOFT_HAS_AVX512)
  asm("vsqrtps %1, %0" : "=v"(root) : "v"(x));
#elif defined(__AVX__)
  asm("vsqrtps %1, %0" : "=x"(root) : "x"(x));
#elif defined(ZOFT_HAS_SSE2)
  asm("sqrtps %1, %0" : "=x"(root) : "x"(x));
#elif defined(ZOFT_HAS_NEON)
  asm("fsqrt %0.4s, %1.4s" : "=w"(root) : "w"(x));
#elif defined(ZOFT_HAS_WASM)
  root = reinterpret_cast<f32>(wasm_f32x4_sqrt(reinterpret_cast<v128_t>(x)));
#else
  for (std::size_t i = 0; i < lanes; ++i) root[i] = __builtin_sqrtf(x[i]);
#endif
  return root;
}
[[gnu::always_inline]] inline f64 square_root(f64 x) {
  f64 root;
#if defined(ZOFT_HAS_AVX512)
  asm("vsqrtpd %1, %0" : "=v"(root) : "v"(x));
#elif defined(__AVX__)
  asm("vsqrtpd %1, %0" : "=x"(root) : "x"(x));
#elif defined(ZOFT_HAS_SSE2)
  asm("sqrtpd %1, %0" : "=x"(root) : "x"(x));
#elif defined(ZOFT_HAS_NEON)
  asm("fsqrt %0.2d, %1.2d" : "=w"(root) : "w"(x));
#elif defined(ZOFT_HAS_WASM)
  root = reinterpret_cast<f64>(wasm_f64x2_sqrt(reinterpret_cast<v128_t>(x)));
#else
  for (std::size_t i = 0; i < lanes / 2; ++i) root[i] = __builtin_sqrt(x[i]);
#endif
  return root;
}
[[gnu::always_inline]] inline float square_root(float x) { return square_root(splat(x))[0]; }
[[gnu::always_inline]] inline double square_root(double x) { return square_root(x - f64{})[0]; }

}  // namespace zoft::inline ZOFT_ISA::simd
