/// The unit that multiplies floats by floats, on every instruction set.
#pragma once

#include "tile.hpp"

namespace zoft::inline ZOFT_ISA::nn::kernel {

/// A panel of floats that is `Width` vectors wide.
template <std::size_t Width>
struct float_panel {
  const float* at;

  template <class Unit, std::size_t Vectors, class F>
  [[gnu::always_inline]] void for_each(std::size_t first, std::size_t steps, F f) const {
    using spread = typename Unit::spread;
    for (std::size_t i = first; i < first + steps; ++i) {
      spread w[Vectors];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < Vectors; ++v) {
        const float* const from = at + (i * Width + v) * packed_matrix::lanes;
        __builtin_prefetch(from + 16 * Width * packed_matrix::lanes);
        w[v] = spread::load_unaligned(from);
      }
      f(i, w);
    }
  }
};

/// A panel of bfloat16 pairs, widened to floats in registers.
struct bfloat16_panel {
  const bfloat16* at;

  template <class Unit, std::size_t Vectors, class F>
  [[gnu::always_inline]] void for_each(std::size_t first, std::size_t steps, F f) const {
    using spread = typename Unit::spread;
    const auto as_floats = [](simd::u32 word) {
      return spread(reinterpret_cast<typename spread::register_type>(word));
    };
    for (std::size_t i = first; i < first + steps; i += 2) {
      spread even[Vectors], odd[Vectors];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < Vectors; ++v) {
        const auto pair = simd::load<simd::u32>(at + (i * Vectors + 2 * v) * packed_matrix::lanes);
        even[v] = as_floats(pair << 16);
        odd[v] = as_floats(pair & 0xffff0000u);
      }
      f(i, even);
      if (i + 1 < first + steps) f(i + 1, odd);
    }
  }
};

/// A panel of codes, widened in registers and multiplied by their scales.
struct coded_panel {
  const packed_matrix& w;
  std::size_t index, begin;

  template <class Unit, std::size_t Vectors, class F>
  [[gnu::always_inline]] void for_each(std::size_t, std::size_t steps, F f) const {
    using spread = typename Unit::spread;
    w.template decode<Vectors>(
        index, begin, steps, [&](std::size_t i, const simd::f32(&values)[Vectors]) __attribute__((always_inline)) {
          spread wide[Vectors];
#pragma GCC unroll 2
          for (std::size_t v = 0; v < Vectors; ++v)
            wide[v] = spread(reinterpret_cast<typename spread::register_type>(values[v]));
          f(i, wide);
        });
  }
};

/// Multiplies floats by floats.
template <class Arch>
struct fp32 {
  using arch = Arch;
  using floats = simd::floats<Arch>;
  using element = float;
  using spread = floats;
  // Some rows of x stay in the second cache, which is 1 MB or more where vectors have 64 bytes.
  static constexpr std::size_t inputs = 1, block_rows = 96, part = simd::register_bytes == 64 ? 2048 : 512,
                               least_rows = 1, together = 1;
  struct session {};

  [[gnu::always_inline]] static spread to_all(element x) { return spread(x); }
  [[gnu::always_inline]] static floats add_product(spread x, spread w, floats sum) {
    return simd::fma<Arch>(x, w, sum);
  }

  static void gather(rows_of<const float> x, std::size_t rows, std::size_t count, rows_of<float> to) {
    for (std::size_t r = 0; r < rows; ++r) std::copy_n(x.at(r).data, count, to.at(r).data);
  }

  /// y (rows, columns of panel p) += x's inputs [first, first + count) times the panel's, or = if not `accumulate`.
  /// Weights that are not f32 are widened into the nearest cache for many rows, and into registers for few.
  template <std::size_t Vectors>
  static void multiply_panel(rows_of<const float> x, std::size_t rows, const packed_matrix& w, std::size_t p,
                             std::size_t first, std::size_t count, rows_of<float> y, bool accumulate, float* wide) {
    [[maybe_unused]] const auto run = [&](auto panel, std::size_t at, std::size_t n) {
      row_block<fp32, tile_rows, Vectors>({x.data + at, x.stride}, rows, panel, n, y, accumulate || at > 0,
                                          w.columns(p));
    };
    if (w.type() == dtype::f32)
      return with_columns<Vectors>(w.columns(p), [&]<std::size_t Used>() {
        row_block<fp32, tile_rows, Used>(x, rows, float_panel<Vectors>{w.panel<float>(p) + first * w.width()}, count, y,
                                         accumulate, w.columns(p));
      });
    if constexpr (!packed_matrix::in_pairs) {
      const auto widen = [&](auto panel_at) {
        if (rows < tile_rows) return run(panel_at(first), 0, count);
        for (std::size_t at = 0; at < count; at += 512) {
          const std::size_t n = std::min<std::size_t>(512, count - at);
          panel_at(first + at)
              .template for_each<fp32, Vectors>(0, n, [wide](std::size_t i, const spread(&values)[Vectors]) {
#pragma GCC unroll 2
                for (std::size_t v = 0; v < Vectors; ++v)
                  values[v].store_unaligned(wide + (i * Vectors + v) * packed_matrix::lanes);
              });
          run(float_panel<Vectors>{wide}, at, n);
        }
      };
      if (w.type() == dtype::bf16)
        widen([&](std::size_t at) { return bfloat16_panel{w.panel<bfloat16>(p) + at * w.width()}; });
      else
        widen([&](std::size_t at) { return coded_panel{w, p, at}; });
    }
  }

  /// A low-rank part of rank r takes r numbers of u, as they are.
  static constexpr std::size_t steps_of(std::size_t rank, bool) { return rank; }
  static void expand_x(const float* u, std::size_t rank, bool, float* to) { std::copy_n(u, rank, to); }
  /// s·b (columns, rank) -> the first `columns` of a panel that is `width` wide
  static void expand_w(const float* b, std::size_t rank, std::size_t columns, float s, bool, std::size_t width,
                       float* to) {
    for (std::size_t c = 0; c < columns; ++c)
      for (std::size_t i = 0; i < rank; ++i) to[i * width + c] = s * b[c * rank + i];
  }
  template <std::size_t Vectors>
  static void multiply_steps(rows_of<const float> x, std::size_t rows, const float* panel, std::size_t steps,
                             rows_of<float> y, std::size_t columns, bool accumulate) {
    row_block<fp32, tile_rows, Vectors>(x, rows, float_panel<Vectors>{panel}, steps, y, accumulate, columns);
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel
