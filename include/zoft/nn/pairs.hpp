/// Numbers as pairs of bfloat16, and what both units of pairs share.
#pragma once

#include "tile.hpp"

#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)

namespace zoft::inline ZOFT_ISA::nn::kernel {

/// Two numbers as bfloat16, the first in the lower half.
inline std::uint32_t pair_of(float first, float second) {
  return bfloat16(first).bits | static_cast<std::uint32_t>(bfloat16(second).bits) << 16;
}

/// 32 numbers in order, rounded to nearest, subnormal ones to 0.
[[gnu::always_inline]] inline void round_to_pairs(const float* from, std::uint32_t* to) {
  const auto first = simd::load<__m512>(from), second = simd::load<__m512>(from + 16);
  simd::store(to, _mm512_cvtne2ps_pbh(second, first));
}

[[gnu::always_inline]] inline __m256i to_pairs(simd::f32 values) { return (__m256i)_mm512_cvtneps_pbh((__m512)values); }

struct pairs {
  using element = std::uint32_t;
  static constexpr std::size_t inputs = 2;
#if defined(ZOFT_HAS_AMX)
  static constexpr std::size_t steps_together = 16;
#else
  static constexpr std::size_t steps_together = 1;
#endif

  /// x (rows, count), filled up with zeros to a multiple of 32 inputs
  static void gather(rows_of<const float> x, std::size_t rows, std::size_t count, rows_of<std::uint32_t> to) {
    const std::size_t whole = count / 32 * 32;
    for (std::size_t r = 0; r < rows; ++r) {
      const float* const from = x.at(r).data;
      for (std::size_t i = 0; i < whole; i += 32) round_to_pairs(from + i, to.at(r, i / 2).data);
      if (whole == count) continue;
      float rest[32] = {};
      std::copy_n(from + whole, count - whole, rest);
      round_to_pairs(rest, to.at(r, whole / 2).data);
    }
  }

  /// Of a low-rank part, u is rounded as x is, and b, which is perturbed, is a sum of an upper and a lower part: u·b is
  /// u·h + u·l, in steps of pairs, filled up to what a unit multiplies at once. b is right to 2⁻¹⁶.
  static constexpr std::size_t steps_of(std::size_t rank) {
    return (2 * pairs_of(rank) + steps_together - 1) / steps_together * steps_together;
  }
  static void expand_x(const float* u, std::size_t rank, std::uint32_t* to) {
    for (std::size_t i = 0; i < rank; i += 2)
      to[i / 2] = to[pairs_of(rank) + i / 2] = pair_of(u[i], i + 1 < rank ? u[i + 1] : 0.0f);
  }
  /// b (columns, rank), times s, -> the first `columns` of a panel of `width`
  static void expand_w(const float* b, std::size_t rank, std::size_t columns, float s, std::size_t width,
                       std::uint32_t* to) {
    constexpr std::size_t rows = 8;  // of b, that a vector takes a pair of each of
    alignas(32) std::int32_t places[rows];
    for (std::size_t row = 0; row < rows; ++row) places[row] = static_cast<std::int32_t>(row * rank);
    for (std::size_t c = 0; c < columns; c += rows) {
      const std::size_t n = std::min(rows, columns - c);
      const auto mask = static_cast<__mmask8>((1u << n) - 1);
      for (std::size_t i = 0; i < rank; i += 2) {
        simd::f32 values{};
        if (i + 1 < rank)
          values =
              (simd::f32)_mm512_mask_i32gather_pd(__m512d{}, mask, simd::load<__m256i>(places), b + c * rank + i, 4);
        else
          for (std::size_t row = 0; row < n; ++row) values[2 * row] = b[(c + row) * rank + i];
        values *= s;
        const __m256i upper = to_pairs(values);
        const auto rounded = (simd::f32)((simd::u32)_mm512_maskz_cvtepu16_epi32(0xffff, upper) << 16);
        _mm256_mask_storeu_epi32(to + i / 2 * width + c, mask, upper);
        _mm256_mask_storeu_epi32(to + (pairs_of(rank) + i / 2) * width + c, mask, to_pairs(values - rounded));
      }
    }
  }

 private:
  static constexpr std::size_t pairs_of(std::size_t rank) { return (rank + 1) / 2; }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel

#endif
