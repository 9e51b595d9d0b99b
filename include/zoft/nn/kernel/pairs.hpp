/// Pairs of bfloat16, and what the two units that multiply them share.
#pragma once

#include "tile.hpp"

#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)

namespace zoft::inline ZOFT_ISA::nn::kernel {

/// Two numbers as bfloat16, the first in the lower half.
inline std::uint32_t pair_of(float first, float second) {
  return bfloat16(first).bits | static_cast<std::uint32_t>(bfloat16(second).bits) << 16;
}

/// Rounds 32 numbers, in order, to nearest. Subnormal ones become 0.
[[gnu::always_inline]] inline void round_to_pairs(const float* from, std::uint32_t* to) {
  const auto first = simd::load<__m512>(from), second = simd::load<__m512>(from + 16);
  simd::store(to, _mm512_cvtne2ps_pbh(second, first));
}

[[gnu::always_inline]] inline __m256i to_pairs(simd::f32 values) {
  return reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(values)));
}

struct pairs {
  using element = std::uint32_t;
  static constexpr std::size_t inputs = 2;
#if defined(ZOFT_HAS_AMX)
  static constexpr std::size_t steps_together = 16;
#else
  static constexpr std::size_t steps_together = 1;
#endif

  /// Rounds x (rows, count) to pairs, filled up with zeros to a multiple of 32 inputs.
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

  /// Decodes the codes of inputs [first, first + count) of panel p into a panel of pairs.
  template <std::size_t Vectors>
  static void widen(const packed_matrix& w, std::size_t p, std::size_t first, std::size_t count, std::uint32_t* to) {
    w.template decode_pairs<Vectors>(p, first, count, [to](std::size_t i, const simd::u32(&pairs)[Vectors]) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < Vectors; ++v) simd::store(to + (i * Vectors + v) * packed_matrix::lanes, pairs[v]);
    });
  }

  /// The b of a low-rank part is perturbed, so it is split into an upper part h and a lower part l, accurate to 2⁻¹⁶. u
  /// is rounded as x is: u·b = u·h + u·l. If A is perturbed too, u is split as well: u·b = h'·h + h'·l + l'·h. All of
  /// this is in steps of pairs, filled up to the number of steps that a unit multiplies at once.
  static constexpr std::size_t steps_of(std::size_t rank, bool split) {
    return ((split ? 3 : 2) * pairs_of(rank) + steps_together - 1) / steps_together * steps_together;
  }
  static void expand_x(const float* u, std::size_t rank, bool split, std::uint32_t* to) {
    const std::size_t pairs = pairs_of(rank);
    for (std::size_t i = 0; i < pairs; ++i) {
      const float first = u[2 * i], second = 2 * i + 1 < rank ? u[2 * i + 1] : 0.0f;
      to[i] = to[pairs + i] = pair_of(first, second);
      if (split) to[2 * pairs + i] = pair_of(lower_part(first), lower_part(second));
    }
    // The steps that fill up meet zeros in W. Zero times a number is 0, but zero times leftover bits may be NaN.
    std::fill(to + (split ? 3 : 2) * pairs, to + steps_of(rank, split), 0u);
  }
  /// s·b (columns, rank) -> the first `columns` of a panel that is `width` wide
  static void expand_w(const float* b, std::size_t rank, std::size_t columns, float s, bool split, std::size_t width,
                       std::uint32_t* to) {
    constexpr std::size_t together = 8;  // columns that put one pair each into a vector
    const std::size_t pairs = pairs_of(rank);
    for (std::size_t c = 0; c < columns; c += together) {
      const std::size_t n = std::min(together, columns - c);
      const auto mask = static_cast<__mmask8>((1u << n) - 1);
      for (std::size_t i = 0; i < pairs; ++i) {
        alignas(64) float numbers[2 * together] = {};
        for (std::size_t k = 0; k < n; ++k) {
          const float* const from = b + (c + k) * rank + 2 * i;
          numbers[2 * k] = from[0];
          if (2 * i + 1 < rank) numbers[2 * k + 1] = from[1];
        }
        const simd::f32 values = s * simd::load<simd::f32>(numbers);
        const __m256i upper = to_pairs(values);
        const auto rounded =
            reinterpret_cast<simd::f32>(reinterpret_cast<simd::u32>(_mm512_maskz_cvtepu16_epi32(0xffff, upper)) << 16);
        const auto store = [&](std::size_t copy, __m256i what) {
          _mm256_mask_storeu_epi32(to + (copy * pairs + i) * width + c, mask, what);
        };
        store(0, upper);
        store(1, to_pairs(values - rounded));
        if (split) store(2, upper);
      }
    }
  }

 private:
  static constexpr std::size_t pairs_of(std::size_t rank) { return (rank + 1) / 2; }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel

#endif
