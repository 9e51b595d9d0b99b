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
    const auto lower = [](float value) { return value - static_cast<float>(bfloat16(value)); };
    for (std::size_t c = 0; c < columns; ++c, b += rank)
      for (std::size_t i = 0; i < rank; i += 2) {
        const float first = s * b[i], second = i + 1 < rank ? s * b[i + 1] : 0.0f;
        to[i / 2 * width + c] = pair_of(first, second);
        to[(pairs_of(rank) + i / 2) * width + c] = pair_of(lower(first), lower(second));
      }
  }

 private:
  static constexpr std::size_t pairs_of(std::size_t rank) { return (rank + 1) / 2; }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel

#endif
