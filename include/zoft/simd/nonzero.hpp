/// The few of many integers that are not 0: where they are, as bits, and what they are, as bytes.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

#include "lanes.hpp"

namespace zoft::inline ZOFT_ISA::simd {

/// Integers that are looked at together: a bit each in one word.
inline constexpr std::size_t word_bits = 64;

/// The byte that stands for whatever is not within ±127.
inline constexpr std::int8_t too_large = -128;

struct packed {
  std::size_t count;  ///< bytes
  bool large;         ///< whether some of them are `too_large`
};

template <class I>
concept integer_lane = std::same_as<I, std::int16_t> || std::same_as<I, std::int32_t> || std::same_as<I, std::int64_t>;

#if defined(ZOFT_HAS_AVX512)
namespace sixteen {
/// 16 integers as 32-bit ones; of wider ones what does not fit becomes the nearest that does.
[[gnu::always_inline]] inline __m512i load(const std::int16_t* from) {
  return _mm512_maskz_cvtepi16_epi32(0xffff, simd::load<__m256i>(from));
}
[[gnu::always_inline]] inline __m512i load(const std::int32_t* from) { return simd::load<__m512i>(from); }
[[gnu::always_inline]] inline __m512i load(const std::int64_t* from) {
  const __m256i low = _mm512_maskz_cvtsepi64_epi32(0xff, simd::load<__m512i>(from));
  const __m256i high = _mm512_maskz_cvtsepi64_epi32(0xff, simd::load<__m512i>(from + 8));
  return _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(low), high, 1);
}

[[gnu::always_inline]] inline void store(std::int16_t* to, __m512i value) {
  simd::store(to, _mm512_maskz_cvtepi32_epi16(0xffff, value));
}
[[gnu::always_inline]] inline void store(std::int32_t* to, __m512i value) { simd::store(to, value); }
[[gnu::always_inline]] inline void store(std::int64_t* to, __m512i value) {
  simd::store(to, _mm512_maskz_cvtepi32_epi64(0xff, _mm512_castsi512_si256(value)));
  simd::store(to + 8, _mm512_maskz_cvtepi32_epi64(0xff, _mm512_maskz_extracti64x4_epi64(0xff, value, 1)));
}
}  // namespace sixteen
#endif

/// Of 64 integers: bit i is whether from[i] is not 0.
template <integer_lane I>
[[gnu::always_inline]] inline std::uint64_t nonzero(const I* from) {
  std::uint64_t word = 0;
#if defined(ZOFT_HAS_AVX512)
  for (std::size_t i = 0; i < word_bits; i += 16) {
    const __m512i value = sixteen::load(from + i);
    word |= std::uint64_t{_mm512_test_epi32_mask(value, value)} << i;
  }
#else
#if defined(__SSE2__)
  if constexpr (sizeof(I) <= 4) {
    for (std::size_t i = 0; i < word_bits; i += 16) {
      // Saturation keeps what is not 0 from becoming 0.
      __m128i narrow[2];
      for (std::size_t j = 0; j < 2; ++j) {
        if constexpr (sizeof(I) == 2)
          narrow[j] = load<__m128i>(from + i + 8 * j);
        else
          narrow[j] = _mm_packs_epi32(load<__m128i>(from + i + 8 * j), load<__m128i>(from + i + 8 * j + 4));
      }
      const __m128i bytes = _mm_packs_epi16(narrow[0], narrow[1]);
      const int zero = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
      word |= std::uint64_t{~static_cast<unsigned>(zero) & 0xffffu} << i;
    }
    return word;
  }
#endif
  for (std::size_t i = 0; i < word_bits; ++i) word |= std::uint64_t{from[i] != 0} << i;
#endif
  return word;
}

/// Of 64 integers those that `word` has a bit for, in order, as bytes. Up to 64 bytes from `to` on are written.
template <integer_lane I>
[[gnu::always_inline]] inline packed pack(const I* from, std::uint64_t word, std::int8_t* to) {
#if defined(ZOFT_HAS_AVX512)
  std::int8_t* at = to;
  unsigned large = 0;
  const __m512i limit = _mm512_set1_epi32(127), most = _mm512_set1_epi32(2 * 127), mark = _mm512_set1_epi32(too_large);
  for (std::size_t i = 0; i < word_bits; i += 16) {
    const auto mask = static_cast<__mmask16>(word >> i);
    const __m512i value = sixteen::load(from + i);
    const __mmask16 outside = _mm512_cmpgt_epu32_mask(_mm512_maskz_add_epi32(0xffff, value, limit), most);
    large |= outside;
    const __m512i bytes = _mm512_mask_mov_epi32(value, outside, mark);
    store(at, _mm512_maskz_cvtepi32_epi8(0xffff, _mm512_maskz_compress_epi32(mask, bytes)));
    at += std::popcount(static_cast<std::uint16_t>(mask));
  }
  return {static_cast<std::size_t>(at - to), large != 0};
#else
  packed result{0, false};
  for (; word != 0; word &= word - 1) {
    const I value = from[std::countr_zero(word)];
    const bool fits = value >= -127 && value <= 127;
    to[result.count++] = fits ? static_cast<std::int8_t>(value) : too_large;
    result.large = result.large || !fits;
  }
  return result;
#endif
}

/// The inverse: to[i] += the next of the bytes, for each i that `word` has a bit for, of 64. Up to 64 bytes
/// from `from` on are read. Sums are modulo the integers' range.
template <integer_lane I>
[[gnu::always_inline]] inline packed unpack_add(const std::int8_t* from, std::uint64_t word, I* to) {
  using unsigned_lane = std::make_unsigned_t<I>;
#if defined(ZOFT_HAS_AVX512)
  const std::int8_t* at = from;
  unsigned large = 0;
  for (std::size_t i = 0; i < word_bits; i += 16) {
    const auto mask = static_cast<__mmask16>(word >> i);
    const __m512i bytes = _mm512_maskz_cvtepi8_epi32(0xffff, load<__m128i>(at));
    const __m512i spread = _mm512_maskz_expand_epi32(mask, bytes);
    large |= _mm512_cmpeq_epi32_mask(spread, _mm512_set1_epi32(too_large));
    I add[16];
    sixteen::store(add, spread);
    at += std::popcount(static_cast<std::uint16_t>(mask));
    using some [[gnu::vector_size(sizeof(I) == 2 ? 32 : register_bytes)]] = unsigned_lane;
    for (std::size_t j = 0; j < 16; j += sizeof(some) / sizeof(I))
      store(to + i + j, load<some>(to + i + j) + load<some>(add + j));
  }
  return {static_cast<std::size_t>(at - from), large != 0};
#else
  packed result{0, false};
  for (; word != 0; word &= word - 1) {
    I& value = to[std::countr_zero(word)];
    const std::int8_t code = from[result.count++];
    value = static_cast<I>(static_cast<unsigned_lane>(value) + static_cast<unsigned_lane>(code));
    result.large = result.large || code == too_large;
  }
  return result;
#endif
}

}  // namespace zoft::inline ZOFT_ISA::simd
