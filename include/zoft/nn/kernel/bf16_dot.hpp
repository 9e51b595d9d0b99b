/// The unit that multiplies bfloat16 pairs with AVX512_BF16's dot product.
#pragma once

#include "pairs.hpp"

#if defined(ZOFT_HAS_BF16_DOT)

namespace zoft::inline ZOFT_ISA::nn::kernel {

/// A panel of bfloat16 pairs that is `Width` vectors wide, used as they are.
template <std::size_t Width>
struct pair_panel {
  const std::uint32_t* at;

  template <class Unit, std::size_t Vectors, class F>
  [[gnu::always_inline]] void for_each(std::size_t first, std::size_t steps, F f) const {
    for (std::size_t i = first; i < first + steps; ++i) {
      simd::u32 w[Vectors];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < Vectors; ++v) {
        const std::uint32_t* const from = at + (i * Width + v) * packed_matrix::lanes;
        __builtin_prefetch(from + 16 * Width * packed_matrix::lanes);
        w[v] = simd::load<simd::u32>(from);
      }
      f(i, w);
    }
  }
};

/// A panel of codes, widened to pairs in registers, without their scales.
struct coded_pair_panel {
  const packed_matrix& w;
  std::size_t index, begin;

  template <class Unit, std::size_t Vectors, class F>
  [[gnu::always_inline]] void for_each(std::size_t first, std::size_t steps, F f) const {
    w.template decode_pairs<Vectors>(
        index, begin + first * 2,
        steps * 2, [&](std::size_t i, const simd::u32(&pairs)[Vectors]) __attribute__((always_inline)) {
          f(first + i, pairs);
        });
  }
};

/// Multiplies pairs of bfloat16 by pairs of bfloat16 and sums in float. Subnormal numbers count as 0.
template <class Arch>
struct bf16_dot : pairs {
  using arch = Arch;
  using floats = simd::floats<Arch>;
  using spread = simd::u32;
  static constexpr std::size_t block_rows = 192, part = 2048, least_rows = 1, together = 512;
  struct session {};

  [[gnu::always_inline]] static spread to_all(element x) { return simd::splat(x); }
  [[gnu::always_inline]] static floats add_product(spread x, spread w, floats sum) {
    return floats(_mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(x), reinterpret_cast<__m512bh>(w)));
  }

  /// y (rows, columns of panel p) += x's inputs [first, first + count) times the panel's, or = if not `accumulate`.
  /// With codes, the sums are scaled: every 512 inputs for i8, every 32 for i4 and nf4. Codes are decoded into the
  /// nearest cache for many rows, and into registers for few. The values are the same, and so are the sums.
  template <std::size_t Vectors>
  static void multiply_panel(rows_of<const element> x, std::size_t rows, const packed_matrix& w, std::size_t p,
                             std::size_t first, std::size_t count, rows_of<float> y, bool accumulate, element* wide) {
    const std::size_t columns = w.columns(p), padded = (count + 31) / 32 * 32;
    if (w.type() == dtype::bf16)
      with_columns<Vectors>(columns, [&]<std::size_t Used>() {
        row_block<bf16_dot, tile_rows, Used>(x, rows, pair_panel<Vectors>{w.panel<element>(p) + first / 2 * w.width()},
                                             (count + 1) / 2, y, accumulate, columns);
      });
    else if (w.type() == dtype::i8)
      multiply_coded<Vectors, 512, tile_rows>(x, rows, w, p, first, padded, y, accumulate, wide);
    else
      multiply_coded<Vectors, 32, tile_rows / 2>(x, rows, w, p, first, padded, y, accumulate, wide);
  }

  template <std::size_t Vectors>
  static void multiply_steps(rows_of<const element> x, std::size_t rows, const element* panel, std::size_t steps,
                             rows_of<float> y, std::size_t columns, bool accumulate) {
    row_block<bf16_dot, tile_rows, Vectors>(x, rows, pair_panel<Vectors>{panel}, steps, y, accumulate, columns);
  }

 private:
  template <std::size_t Vectors, std::size_t Group, std::size_t Rows>
  static void multiply_coded(rows_of<const element> x, std::size_t rows, const packed_matrix& w, std::size_t p,
                             std::size_t first, std::size_t count, rows_of<float> y, bool accumulate, element* wide) {
    constexpr std::size_t few = 3;
    if (rows <= few)
      return row_block<bf16_dot, few, Vectors, Group / 2>(x, rows, coded_pair_panel{w, p, first}, count / 2, y,
                                                          accumulate, w.columns(p), w.scales(p, first));
    for (std::size_t at = 0; at < count; at += 512) {
      const std::size_t n = std::min<std::size_t>(512, count - at);
      pairs::widen<Vectors>(w, p, first + at, n, wide);
      row_block<bf16_dot, Rows, Vectors, Group / 2>({x.data + at / 2, x.stride}, rows, pair_panel<Vectors>{wide}, n / 2,
                                                    y, accumulate || at > 0, w.columns(p), w.scales(p, first + at));
    }
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel

#endif
