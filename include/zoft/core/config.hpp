/// The library's inline namespace, and how it reports invalid input.
#pragma once

#if __cplusplus < 202002L
#error "zoft needs C++20: compile with -std=c++20 or later"
#endif

#include <charconv>
#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../version.hpp"

// The instruction set that the compiler may use. There is one name for each set that zoft has code for, and for each
// that compilers use by themselves. Code compiled for different sets gets different symbols, so that translation units
// built with different -march flags can be linked into one program.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define ZOFT_HAS_AVX512
#endif
#if defined(ZOFT_HAS_AVX512) || (defined(__AVX2__) && defined(__FMA__) && defined(__F16C__))
#define ZOFT_HAS_AVX2
#endif
// AMX is preferred to the other sets that multiply pairs of bfloat16. AVX512_BF16 alone doubles the rate on AMD's
// processors. On Intel's processors, which have FP16 as well, it is slower than fused multiply-adds of floats.
#if defined(ZOFT_HAS_AVX512) && defined(__AVX512BF16__) && defined(__AVX512VBMI__)
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__linux__)
#define ZOFT_HAS_AMX
#elif !defined(__AVX512FP16__)
#define ZOFT_HAS_BF16_DOT
#endif
#endif
// Emscripten has intrinsics of SSE for WebAssembly, and then defines these names. There are no such registers.
#if defined(__SSE2__) && !defined(__wasm__)
#define ZOFT_HAS_SSE2
#endif
#if defined(ZOFT_HAS_AMX)
#define ZOFT_ISA amx
#elif defined(ZOFT_HAS_BF16_DOT)
#define ZOFT_ISA avx512_bf16
#elif defined(ZOFT_HAS_AVX512)
#define ZOFT_ISA avx512
#elif defined(ZOFT_HAS_AVX2)
#define ZOFT_ISA avx2
#elif defined(__wasm_simd128__)
#define ZOFT_HAS_WASM
#define ZOFT_ISA wasm
#elif defined(__AVX__)
#define ZOFT_ISA avx
#elif defined(__SSE4_2__)
#define ZOFT_ISA sse4
#elif defined(ZOFT_HAS_SSE2)
#define ZOFT_ISA sse2
#elif defined(__aarch64__) && defined(__ARM_NEON)
#define ZOFT_HAS_NEON
#define ZOFT_ISA neon
#else
#define ZOFT_ISA scalar
#endif

// With -fno-exceptions an error prints its message and ends the program. Define ZOFT_THROW(exception) to change that.
#ifndef ZOFT_THROW
#if defined(__cpp_exceptions)
#define ZOFT_THROW(exception) throw exception
#else
#include <cstdio>
#include <cstdlib>
#define ZOFT_THROW(exception) (std::fprintf(stderr, "%s\n", (exception).what()), std::abort())
#endif
#endif

// Overloads for wrong calls, so that the compiler says in one line what was wanted, where the call is. They are
// declared only. GCC takes them for callable in a requires-expression, and Clang does not.
#define ZOFT_REFUSED(sentence) __attribute__((unavailable(sentence)))

namespace zoft::inline ZOFT_ISA {

/// Throws std::invalid_argument("zoft: " + what). `what` names the thing, the value given, and what was wanted.
[[noreturn]] inline void fail(const std::string& what) { ZOFT_THROW(std::invalid_argument("zoft: " + what)); }

/// Calls fail(what) unless it holds.
inline void require(bool holds, const std::string& what) {
  if (!holds) fail(what);
}

/// The shortest text that reads back as the same number: 1e-08, not 0.000000.
template <class T>
requires std::integral<T> || std::floating_point<T> std::string text(T value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, end.ptr);
}

/// Throws std::invalid_argument("zoft: who: field is VALUE, and must be `wanted`"). Policies are checked at every step,
/// so the text is built only when it is thrown.
[[noreturn, gnu::noinline, gnu::cold]] inline void refuse(const char* who, const char* field, const std::string& value,
                                                          const std::string& wanted) {
  fail(std::string(who) + ": " + field + " is " + value + ", and must be " + wanted);
}

/// Calls refuse unless it holds.
template <class T>
void require(bool holds, const char* who, const char* field, T value, const char* wanted) {
  if (!holds) refuse(who, field, text(value), wanted);
}

}  // namespace zoft::inline ZOFT_ISA
