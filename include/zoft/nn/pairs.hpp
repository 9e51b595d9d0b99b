/// Numbers as pairs of bfloat16, and what both units of pairs share.
#pragma once

#include "tile.hpp"

#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)

namespace zoft::inline ZOFT_ISA::nn::kernel {

/// Two numbers, the first in the lower half.
inline std::uint32_t pair_of(bfloat16 first, bfloat16 second) {
  return first.bits | static_cast<std::uint32_t>(second.bits) << 16;
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

  /// A low-rank part is multiplied nearly as floats are: of u = h + l and b = h' + l', the products h·h' + l·h' + h·l',
  /// in steps of pairs, filled up to what a unit multiplies at once. What is left out is 2⁻¹⁶ of u·b.
  static constexpr std::size_t steps_of(std::size_t rank) {
    return (3 * ((rank + 1) / 2) + steps_together - 1) / steps_together * steps_together;
  }
  static void expand_x(const float* u, std::size_t rank, std::uint32_t* to) { expand(u, rank, 1, 1, 1, {0, 1, 0}, to); }
  /// b (columns, rank), times s, -> the first `columns` of a panel of `width`
  static void expand_w(const float* b, std::size_t rank, std::size_t columns, float s, std::size_t width,
                       std::uint32_t* to) {
    expand(b, rank, columns, s, width, {0, 0, 1}, to);
  }

 private:
  /// rows (columns, rank) -> to (steps, width) pairs: thrice the rank, each time of the upper (0) or lower (1) parts
  static void expand(const float* rows, std::size_t rank, std::size_t columns, float s, std::size_t width,
                     std::array<int, 3> part, std::uint32_t* to) {
    const std::size_t pairs = (rank + 1) / 2;
    for (std::size_t c = 0; c < columns; ++c)
      for (std::size_t i = 0; i < pairs; ++i) {
        bfloat16 number[2][2];
        for (std::size_t k = 0; k < 2 && 2 * i + k < rank; ++k) {
          const float value = s * rows[c * rank + 2 * i + k];
          number[0][k] = bfloat16(value);
          number[1][k] = bfloat16(value - static_cast<float>(number[0][k]));
        }
        for (std::size_t copy = 0; copy < 3; ++copy)
          to[(copy * pairs + i) * width + c] = pair_of(number[part[copy]][0], number[part[copy]][1]);
      }
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel

#endif
