/// Packs the few nonzero integers among many: where they are, as bits, and what they are, as bytes.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

#include "lanes.hpp"

// Processors that multiply pairs of bfloat16 also compress bytes. Byte compression by itself has no name among the
// instruction sets of config.hpp, so it is not used alone.
#if defined(__AVX512VBMI2__) && (defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT))
#define ZOFT_HAS_COMPRESSION
#endif

namespace zoft::inline ZOFT_ISA::simd {

template <class I>
concept integer_lane = std::same_as<I, std::int16_t> || std::same_as<I, std::int32_t> || std::same_as<I, std::int64_t>;

/// Integers processed together: each has one bit of a word.
inline constexpr std::size_t word_bits = 64;

/// Whether a value is outside ±126. A byte outside ±126 stands for any such value.
template <class I>
constexpr bool is_large(I value) {
  return value < -126 || value > 126;
}

struct packed {
  std::uint64_t word;  ///< bit i is set if the i-th of 64 integers is not 0
  bool large;          ///< whether any of them is_large
  std::size_t count() const { return static_cast<std::size_t>(std::popcount(word)); }
};

#if defined(ZOFT_HAS_COMPRESSION)

/// 64 integers as bytes, saturated.
[[gnu::always_inline]] inline __m512i saturated(const std::int16_t* from) {
  const __m256i low = _mm512_maskz_cvtsepi16_epi8(~0u, load<__m512i>(from));
  const __m256i high = _mm512_maskz_cvtsepi16_epi8(~0u, load<__m512i>(from + 32));
  return _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(low), high, 1);
}
[[gnu::always_inline]] inline __m512i saturated(const std::int32_t* from) {
  const auto quarter = [&](std::size_t i) { return _mm512_maskz_cvtsepi32_epi8(0xffff, load<__m512i>(from + 16 * i)); };
  __m512i bytes = _mm512_castsi128_si512(quarter(0));
  bytes = _mm512_maskz_inserti32x4(0xffff, bytes, quarter(1), 1);
  bytes = _mm512_maskz_inserti32x4(0xffff, bytes, quarter(2), 2);
  return _mm512_maskz_inserti32x4(0xffff, bytes, quarter(3), 3);
}
[[gnu::always_inline]] inline __m512i saturated(const std::int64_t* from) {
  std::int8_t bytes[word_bits];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < word_bits; i += 8)
    _mm_storel_epi64(reinterpret_cast<__m128i*>(bytes + i), _mm512_maskz_cvtsepi64_epi8(0xff, load<__m512i>(from + i)));
  return load<__m512i>(bytes);
}

[[gnu::always_inline]] inline bool any_large(__m512i bytes) {
  return _mm512_cmpgt_epu8_mask(_mm512_maskz_abs_epi8(~0ull, bytes), _mm512_set1_epi8(126)) != 0;
}

#endif

/// Writes the nonzero ones of 64 integers as bytes, in order. May write 64 bytes from `to` on.
template <integer_lane I>
[[gnu::always_inline]] inline packed pack(const I* from, std::int8_t* to) {
#if defined(ZOFT_HAS_COMPRESSION)
  const __m512i bytes = saturated(from);
  const std::uint64_t word = _mm512_test_epi8_mask(bytes, bytes);
  store(to, _mm512_maskz_compress_epi8(word, bytes));
  return {word, any_large(bytes)};
#else
  packed result{0, false};
#if defined(ZOFT_HAS_SSE2)
  if constexpr (sizeof(I) <= 4) {
#pragma GCC unroll 4
    for (std::size_t i = 0; i < word_bits; i += 16) {
      // Saturation never makes a nonzero value 0.
      __m128i narrow[2];
#pragma GCC unroll 2
      for (std::size_t j = 0; j < 2; ++j) {
        if constexpr (sizeof(I) == 2)
          narrow[j] = load<__m128i>(from + i + 8 * j);
        else
          narrow[j] = _mm_packs_epi32(load<__m128i>(from + i + 8 * j), load<__m128i>(from + i + 8 * j + 4));
      }
      const __m128i bytes = _mm_packs_epi16(narrow[0], narrow[1]);
      const auto zero = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())));
      result.word |= std::uint64_t{~zero & 0xffffu} << i;
    }
  } else
#endif
    for (std::size_t i = 0; i < word_bits; ++i) result.word |= std::uint64_t{from[i] != 0} << i;
  for (std::uint64_t left = result.word; left != 0; left &= left - 1) {
    const I value = from[std::countr_zero(left)];
    *to++ = static_cast<std::int8_t>(value < -127 ? -127 : value > 127 ? 127 : value);
    result.large = result.large || is_large(value);
  }
  return result;
#endif
}

/// The inverse, for 64 integers: to[i] is the next byte if bit i of `word` is set, and 0 otherwise. May read 64 bytes
/// from `from` on.
template <integer_lane I>
[[gnu::always_inline]] inline packed unpack(const std::int8_t* from, std::uint64_t word, I* to) {
#if defined(ZOFT_HAS_COMPRESSION)
  const __m512i bytes = _mm512_maskz_expand_epi8(word, load<__m512i>(from));
  std::int8_t spread[word_bits];
  store(spread, bytes);
  for (std::size_t i = 0; i < word_bits; i += register_bytes / sizeof(I)) {
    if constexpr (sizeof(I) == 2)
      store(to + i, _mm512_maskz_cvtepi8_epi16(~0u, load<__m256i>(spread + i)));
    else if constexpr (sizeof(I) == 4)
      store(to + i, _mm512_maskz_cvtepi8_epi32(0xffff, load<__m128i>(spread + i)));
    else
      store(to + i, _mm512_maskz_cvtepi8_epi64(0xff, _mm_loadu_si64(spread + i)));
  }
  return {word, any_large(bytes)};
#else
  packed result{word, false};
  std::memset(to, 0, word_bits * sizeof(I));
  for (; word != 0; word &= word - 1) {
    const std::int8_t code = *from++;
    to[std::countr_zero(word)] = code;
    result.large = result.large || is_large(code);
  }
  return result;
#endif
}

}  // namespace zoft::inline ZOFT_ISA::simd

#undef ZOFT_HAS_COMPRESSION
