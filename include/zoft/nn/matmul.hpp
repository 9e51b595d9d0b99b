/// y = x·Wᵀ for weights that are packed once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "../simd/batch.hpp"
#include "packed_matrix.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// x (rows, in) · W (out, in)ᵀ -> y (rows, out). The reference for `matmul`.
inline void matmul_reference(std::span<const float> x, std::size_t rows, std::span<const float> w, std::span<float> y) {
  const std::size_t in = x.size() / rows, out = y.size() / rows;
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t o = 0; o < out; ++o) {
      double sum = 0;
      for (std::size_t i = 0; i < in; ++i) sum += double{x[row * in + i]} * w[o * in + i];
      y[row * out + o] = static_cast<float>(sum);
    }
}

/// Where the rows of a matrix are: row r begins at data + r·stride.
template <class T>
struct rows_of {
  T* data;
  std::size_t stride;
};

namespace kernel {

/// Where some inputs of a panel are, as floats, or as pairs of bfloat16.
struct float_panel {
  const float* at;
};
struct bfloat16_panel {
  const bfloat16* at;
};
/// Or as codes in fewer bits.
struct coded_panel {
  const packed_matrix& w;
  std::size_t index, first;
};

/// sum[r][v] += x[r][i]·w[v]
template <class floats, std::size_t Rows, std::size_t Vectors>
[[gnu::always_inline]] inline void add_products(rows_of<const float> x, std::size_t i, const floats (&w)[Vectors],
                                                floats (&sum)[Rows][Vectors]) {
  for (std::size_t r = 0; r < Rows; ++r) {
    const floats value(x.data[r * x.stride + i]);
    for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = xsimd::fma(value, w[v], sum[r][v]);
  }
}

template <class floats, std::size_t Rows, std::size_t Vectors>
[[gnu::always_inline]] inline void add_products(rows_of<const float> x, float_panel panel, std::size_t count,
                                                floats (&sum)[Rows][Vectors]) {
  for (std::size_t i = 0; i < count; ++i) {
    floats w[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v)
      w[v] = floats::load_unaligned(panel.at + (i * Vectors + v) * floats::size);
    add_products<floats>(x, i, w, sum);
  }
}

template <class floats, std::size_t Rows, std::size_t Vectors>
[[gnu::always_inline]] inline void add_products(rows_of<const float> x, bfloat16_panel panel, std::size_t count,
                                                floats (&sum)[Rows][Vectors]) {
  const auto as_floats = [](simd::u32 word) { return floats((typename floats::register_type)word); };
  for (std::size_t i = 0; i < count; i += 2) {
    floats even[Vectors], odd[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v) {
      const auto pair = simd::load<simd::u32>(panel.at + (i * Vectors + 2 * v) * floats::size);
      even[v] = as_floats(pair << 16);
      odd[v] = as_floats(pair & 0xffff0000u);
    }
    add_products<floats>(x, i, even, sum);
    if (i + 1 < count) add_products<floats>(x, i + 1, odd, sum);
  }
}

template <class floats, std::size_t Rows, std::size_t Vectors>
[[gnu::always_inline]] inline void add_products(rows_of<const float> x, coded_panel panel, std::size_t count,
                                                floats (&sum)[Rows][Vectors]) {
  const auto add = [&](std::size_t i, const simd::f32(&values)[Vectors]) __attribute__((always_inline)) {
    floats w[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v) w[v] = floats((typename floats::register_type)values[v]);
    add_products<floats>(x, i, w, sum);
  };
  panel.w.template decode<Vectors>(panel.index, panel.first, count, add);
}

/// Rows × Vectors vectors of y, each the sum over i in order: the same bits for a row whatever rows are beside it.
template <std::size_t Rows, std::size_t Vectors, class Arch, class Panel>
[[gnu::always_inline]] inline void tile(rows_of<const float> x, Panel panel, std::size_t count, rows_of<float> y,
                                        bool accumulate) {
  using floats = simd::floats<Arch>;
  static_assert(sizeof(floats) == simd::register_bytes,
                "the compile-time instruction set and the kernel's differ in width");
  floats sum[Rows][Vectors];
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < Vectors; ++v)
      sum[r][v] = accumulate ? floats::load_unaligned(y.data + r * y.stride + v * floats::size) : floats(0.0f);
  add_products<floats>(x, panel, count, sum);
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < Vectors; ++v) sum[r][v].store_unaligned(y.data + r * y.stride + v * floats::size);
}

/// The same where the panel has fewer than all its columns.
template <std::size_t Rows, std::size_t Vectors, class Arch, class Panel>
void cut_tile(rows_of<const float> x, Panel panel, std::size_t count, rows_of<float> y, bool accumulate,
              std::size_t columns) {
  constexpr std::size_t width = Vectors * simd::floats<Arch>::size;
  float whole[Rows * width] = {};
  for (std::size_t r = 0; accumulate && r < Rows; ++r) std::copy_n(y.data + r * y.stride, columns, whole + r * width);
  tile<Rows, Vectors, Arch>(x, panel, count, {whole, width}, accumulate);
  for (std::size_t r = 0; r < Rows; ++r) std::copy_n(whole + r * width, columns, y.data + r * y.stride);
}

/// Rows that keep the sums, a panel's vectors and a broadcast in registers: 12 × 2 of 32, or 6 × 2 of 16.
inline constexpr std::size_t tile_rows = simd::vector_registers == 32 ? 12 : 6;

template <std::size_t Rows, std::size_t Vectors, class Arch, class Panel>
void row_block(rows_of<const float> x, std::size_t rows, Panel panel, std::size_t count, rows_of<float> y,
               bool accumulate, std::size_t columns) {
  constexpr std::size_t width = Vectors * simd::floats<Arch>::size;
  std::size_t row = 0;
  for (; row + Rows <= rows; row += Rows) {
    const rows_of<const float> from{x.data + row * x.stride, x.stride};
    const rows_of<float> to{y.data + row * y.stride, y.stride};
    if (columns == width)
      tile<Rows, Vectors, Arch>(from, panel, count, to, accumulate);
    else
      cut_tile<Rows, Vectors, Arch>(from, panel, count, to, accumulate, columns);
  }
  if constexpr (Rows > 1)
    if (row < rows)
      row_block<(Rows > 4 ? Rows / 2 : 1), Vectors, Arch>({x.data + row * x.stride, x.stride}, rows - row, panel, count,
                                                          {y.data + row * y.stride, y.stride}, accumulate, columns);
}

/// y (rows, columns of panel p) += x's columns [first, first + count) times the panel's, or = where not `accumulate`.
/// Codes are decoded into the nearest cache for many rows, and into registers for few.
template <std::size_t Vectors, class Arch>
void multiply_panel(rows_of<const float> x, std::size_t rows, const packed_matrix& w, std::size_t p, std::size_t first,
                    std::size_t count, rows_of<float> y, bool accumulate, float* wide) {
  const std::size_t columns = std::min(w.width(), w.out() - p * w.width());
  const rows_of<float> to{y.data + p * w.width(), y.stride};
  const auto run = [&](auto panel) {
    row_block<tile_rows, Vectors, Arch>(x, rows, panel, count, to, accumulate, columns);
  };
  if (w.type() == dtype::f32) return run(float_panel{w.panel<float>(p) + first * w.width()});
  if (w.type() == dtype::bf16) return run(bfloat16_panel{w.panel<bfloat16>(p) + first * w.width()});
  if (rows < tile_rows) return run(coded_panel{w, p, first});
  w.template decode<Vectors>(p, first, count, [wide](std::size_t i, const simd::f32(&values)[Vectors]) {
    for (std::size_t v = 0; v < Vectors; ++v) simd::store(wide + (i * Vectors + v) * packed_matrix::lanes, values[v]);
  });
  run(float_panel{wide});
}

/// What a matmul works in: a part of some rows of x, and of a panel.
struct matmul_scratch {
  static constexpr std::size_t rows = 96, part = 512;
  // Rows that lie a power of two apart would share cache sets.
  static constexpr std::size_t stride = part + 16;
  alignas(64) float x[rows * stride];
  alignas(64) float wide[part * 2 * packed_matrix::lanes];

  static matmul_scratch& of_this_thread() {
    static thread_local const auto scratch = std::make_unique<matmul_scratch>();
    return *scratch;
  }
};

}  // namespace kernel

/// x (rows, in) · W (out, in)ᵀ -> y (rows, out), or added to y. Rows may lie apart. Each element of y is one sum over i
/// in order, in float, of W's values as they are stored: |error| ≤ in·2⁻²⁴·Σ|xᵢwᵢ|.
template <class Arch = simd::arch>
void matmul(rows_of<const float> x, std::size_t rows, const packed_matrix& w, rows_of<float> y,
            bool accumulate = false) {
  kernel::matmul_scratch& scratch = kernel::matmul_scratch::of_this_thread();
  const auto multiply = [&](rows_of<const float> from, std::size_t n, std::size_t p, std::size_t first,
                            std::size_t count, rows_of<float> to) {
    if (w.width() == packed_matrix::lanes)
      kernel::multiply_panel<1, Arch>(from, n, w, p, first, count, to, accumulate || first > 0, scratch.wide);
    else
      kernel::multiply_panel<2, Arch>(from, n, w, p, first, count, to, accumulate || first > 0, scratch.wide);
  };
  if (rows < kernel::tile_rows || (w.panels() == 1 && bits_of(w.type()) >= 16)) {
    // Each panel is read once, from its begin to its end.
    for (std::size_t p = 0; p < w.panels(); ++p) multiply(x, rows, p, 0, w.in(), y);
    return;
  }
  // A part of the inputs, of the rows of a block, is brought together and stays in cache while all panels pass.
  for (std::size_t row = 0; row < rows; row += scratch.rows)
    for (std::size_t first = 0; first < w.in(); first += scratch.part) {
      const std::size_t n = std::min(scratch.rows, rows - row), count = std::min(scratch.part, w.in() - first);
      for (std::size_t r = 0; r < n; ++r)
        std::copy_n(x.data + (row + r) * x.stride + first, count, scratch.x + r * scratch.stride);
      for (std::size_t p = 0; p < w.panels(); ++p)
        multiply({scratch.x, scratch.stride}, n, p, first, count, {y.data + row * y.stride, y.stride});
    }
}

/// x (rows, in) · W (out, in)ᵀ -> y (rows, out)
template <class Arch = simd::arch>
void matmul(std::span<const float> x, std::size_t rows, const packed_matrix& w, std::span<float> y) {
  require(x.size() == rows * w.in() && y.size() == rows * w.out(),
          "matmul: x has " + text(x.size()) + " numbers and y " + text(y.size()) + ", and " + text(rows) + " rows of " +
              text(w.in()) + " and of " + text(w.out()) + " are wanted");
  matmul<Arch>(rows_of<const float>{x.data(), w.in()}, rows, w, rows_of<float>{y.data(), w.out()});
}

}  // namespace zoft::inline ZOFT_ISA::nn
