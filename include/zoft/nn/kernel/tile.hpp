/// The innermost loops of a product: a few rows of x times a panel of weights, summed in registers.
#pragma once

#include <algorithm>
#include <cstddef>

#include "../../simd/batch.hpp"
#include "packed_matrix.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Where the rows of a matrix are: row r begins at data + r·stride.
template <class T>
struct rows_of {
  T* data;
  std::size_t stride;

  rows_of at(std::size_t row, std::size_t column = 0) const { return {data + row * stride + column, stride}; }
};

namespace kernel {

/// A unit is the arithmetic of a kernel. An `element` holds `inputs` inputs of x and is one step of the sum.
/// add_product() adds the product of two `spread`s, one element in all lanes and a vector of weights, to a vector of
/// sums. The unit gathers `block_rows` rows of x, `part` of their inputs at a time, to keep them in cache while all
/// panels pass. It reads at least `least_rows` rows. At most `together` inputs share a sum. A panel calls f(step,
/// weights) for each step of [first, first + steps).

/// Rows × Vectors vectors of y, each the sum over the steps in order: a row's bits do not depend on the rows beside it.
/// With a Group, every Group steps are summed separately and multiplied by a scale for each column. If Group is W's
/// group length, each group has its own scales.
template <class Unit, std::size_t Rows, std::size_t Vectors, std::size_t Group, class Panel>
[[gnu::always_inline]] inline void tile(rows_of<const typename Unit::element> x, Panel panel, std::size_t steps,
                                        rows_of<float> y, bool accumulate, [[maybe_unused]] const float* scales) {
  // The sums stay in registers only if these loops are unrolled, which GCC does by itself only from -O3 on.
  using floats = typename Unit::floats;
  static_assert(sizeof(floats) == simd::register_bytes,
                "the compile-time instruction set and the kernel's differ in width");
  floats total[Rows][Vectors];
#pragma GCC unroll 12
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 12
    for (std::size_t v = 0; v < Vectors; ++v)
      total[r][v] = accumulate ? floats::load_unaligned(y.data + r * y.stride + v * floats::size) : floats(0.0f);
  const auto add_to = [&](floats(&sum)[Rows][Vectors], std::size_t first, std::size_t n)
      __attribute__((always_inline)) {
    panel.template for_each<Unit, Vectors>(
        first, n, [&](std::size_t i, const typename Unit::spread(&w)[Vectors]) __attribute__((always_inline)) {
          // With a pointer for each of many rows there would be more than registers. What asm has touched, GCC does not
          // take apart into these again.
          constexpr std::size_t from_one = Rows > 8 ? 4 : 1;
          const typename Unit::element* at = nullptr;
#pragma GCC unroll 12
          for (std::size_t r = 0; r < Rows; ++r) {
            if (r % from_one == 0) at = x.data + r * x.stride + i;
            if constexpr (from_one > 1)
              if (r % from_one == 0) asm("" : "+r"(at));
            const auto value = Unit::to_all(at[r % from_one * x.stride]);
#pragma GCC unroll 12
            for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = Unit::add_product(value, w[v], sum[r][v]);
          }
        });
  };
  if constexpr (Group == 0) {
    add_to(total, 0, steps);
  } else {
    for (std::size_t first = 0; first < steps; first += Group) {
      floats sum[Rows][Vectors];
#pragma GCC unroll 12
      for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 12
        for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = floats(0.0f);
      add_to(sum, first, std::min(Group, steps - first));
#pragma GCC unroll 12
      for (std::size_t v = 0; v < Vectors; ++v) {
        const floats s = floats::load_unaligned(scales + v * floats::size);
#pragma GCC unroll 12
        for (std::size_t r = 0; r < Rows; ++r) total[r][v] = simd::fma<typename Unit::arch>(s, sum[r][v], total[r][v]);
      }
      if constexpr (Group * Unit::inputs == packed_matrix::group) scales += Vectors * floats::size;
    }
  }
#pragma GCC unroll 12
  for (std::size_t r = 0; r < Rows; ++r)
#pragma GCC unroll 12
    for (std::size_t v = 0; v < Vectors; ++v) total[r][v].store_unaligned(y.data + r * y.stride + v * floats::size);
}

/// The same for a panel with fewer columns than its width.
template <class Unit, std::size_t Rows, std::size_t Vectors, std::size_t Group, class Panel>
void cut_tile(rows_of<const typename Unit::element> x, Panel panel, std::size_t steps, rows_of<float> y,
              bool accumulate, const float* scales, std::size_t columns) {
  constexpr std::size_t width = Vectors * packed_matrix::lanes;
  float whole[Rows * width] = {};
  for (std::size_t r = 0; accumulate && r < Rows; ++r) std::copy_n(y.data + r * y.stride, columns, whole + r * width);
  tile<Unit, Rows, Vectors, Group>(x, panel, steps, {whole, width}, accumulate, scales);
  for (std::size_t r = 0; r < Rows; ++r) std::copy_n(whole + r * width, columns, y.data + r * y.stride);
}

/// The number of rows for which the sums, a panel's vectors and a broadcast fit in registers: 12 × 2 sums with 32
/// registers, or 6 × 2 with 16.
inline constexpr std::size_t tile_rows = simd::vector_registers == 32 ? 12 : 6;

/// Calls f<n>() with the number of vectors of a panel that hold columns.
template <std::size_t Vectors, class F>
void with_columns(std::size_t columns, F f) {
  if constexpr (Vectors > 1)
    if (columns <= packed_matrix::lanes) return f.template operator()<1>();
  f.template operator()<Vectors>();
}

/// Rows [row, rows), in tiles of so many and then of fewer.
template <class Unit, std::size_t Rows, std::size_t Vectors, std::size_t Group = 0, class Panel>
void row_block(rows_of<const typename Unit::element> x, std::size_t rows, Panel panel, std::size_t steps,
               rows_of<float> y, bool accumulate, std::size_t columns, const float* scales = nullptr,
               std::size_t row = 0) {
  const auto run = [&](std::size_t at) __attribute__((always_inline)) {
    if (columns == Vectors * packed_matrix::lanes)
      tile<Unit, Rows, Vectors, Group>(x.at(at), panel, steps, y.at(at), accumulate, scales);
    else
      cut_tile<Unit, Rows, Vectors, Group>(x.at(at), panel, steps, y.at(at), accumulate, scales, columns);
  };
  for (; row + Rows <= rows; row += Rows) run(row);
  if constexpr (Rows > 1) {
    constexpr std::size_t fewer = Rows > 8 ? 8 : Rows > 4 ? 4 : Rows > 2 ? 2 : 1;
    if (row == rows) return;
    // A tile of few rows waits for its own sums. Once more for some rows, which get the same bits, takes less.
    if (rows - row > fewer && rows >= Rows && !accumulate) return run(rows - Rows);
    row_block<Unit, fewer, Vectors, Group>(x, rows, panel, steps, y, accumulate, columns, scales, row);
  }
}

}  // namespace kernel
}  // namespace zoft::inline ZOFT_ISA::nn
