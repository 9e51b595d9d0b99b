/// y = x·Wᵀ for packed weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "amx.hpp"
#include "bf16_dot.hpp"
#include "fp32.hpp"

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

namespace kernel {

/// The unit that multiplies weights other than f32.
#if defined(ZOFT_HAS_AMX)
template <class Arch>
using narrow_unit = bf16_amx<Arch, amx_tiles>;
#elif defined(ZOFT_HAS_BF16_DOT)
template <class Arch>
using narrow_unit = bf16_dot<Arch>;
#else
template <class Arch>
using narrow_unit = fp32<Arch>;
#endif

/// Calls f with the unit that multiplies weights of this type.
template <class Arch, class F>
void with_unit(dtype type, F f) {
  if (type == dtype::f32)
    f(fp32<Arch>{});
  else
    f(narrow_unit<Arch>{});
}

/// The memory that a matmul works in: a part of some rows of x, and of a panel.
template <class Unit>
struct matmul_scratch {
  using element = typename Unit::element;
  // Rows that are a power of two apart would share cache sets.
  static constexpr std::size_t stride = Unit::part / Unit::inputs + 16, size = Unit::block_rows * stride;
  alignas(64) element x[size + (Unit::least_rows - 1) * stride];  // a unit may read past the last rows
  alignas(64) element wide[512 * 2 * packed_matrix::lanes];

  static matmul_scratch& of_this_thread() {
    static thread_local const auto scratch = std::make_unique<matmul_scratch>();
    return *scratch;
  }
};

/// Inputs [first, first + count) of rows [row, row + rows) of an x, gathered in one place.
template <class Unit>
struct gathered {
  rows_of<const typename Unit::element> x;
  std::size_t row, rows, first, count;
  bool last;  ///< whether the inputs end here

  /// y (n, columns of panel p) = the product of n rows, from the block's row `from` on, with panel p of w. Adds to y
  /// instead if `accumulate`, or if first > 0.
  void multiply_panel(std::size_t from, std::size_t n, const packed_matrix& w, std::size_t p, rows_of<float> y,
                      bool accumulate) const {
    auto* const wide = matmul_scratch<Unit>::of_this_thread().wide;
    if (w.width() == packed_matrix::lanes)
      Unit::template multiply_panel<1>(x.at(from), n, w, p, first, count, y, accumulate || first > 0, wide);
    else
      Unit::template multiply_panel<2>(x.at(from), n, w, p, first, count, y, accumulate || first > 0, wide);
  }
};

/// Calls f(gathered) for each block of rows and, within the block, for each part of the inputs, in order. If there are
/// few rows, a part has as many inputs as fit, so that a panel is read from beginning to end.
template <class Unit, class F>
void for_each_block(rows_of<const float> x, std::size_t rows, std::size_t in, F f) {
  [[maybe_unused]] const typename Unit::session use;
  constexpr bool floats = std::is_same_v<typename Unit::element, float>;
  if constexpr (floats)
    if (rows < tile_rows) return f(gathered<Unit>{x, 0, rows, 0, in, true});
  // Floats are read where they are, unless too many rows of a tile would share a set of the nearest cache.
  const bool in_place = floats && in <= Unit::part && x.stride / 16 % 16 != 0;
  using scratch_type = matmul_scratch<Unit>;
  scratch_type& scratch = scratch_type::of_this_thread();
  // Rows lie close, so that few inputs touch little memory, but no power of two apart.
  std::size_t part = std::min(Unit::part, (in + 31) / 32 * 32), stride = (part / Unit::inputs / 16 | 1) * 16;
  if (rows < tile_rows) {
    const std::size_t room = scratch_type::size / std::max(rows, Unit::least_rows) - 16;
    part = room * Unit::inputs / Unit::together * Unit::together;
    stride = part / Unit::inputs + 16;
  }
  for (std::size_t row = 0; row < rows; row += Unit::block_rows)
    for (std::size_t first = 0; first < in; first += part) {
      const std::size_t n = std::min(Unit::block_rows, rows - row), count = std::min(part, in - first);
      rows_of<const typename Unit::element> block{scratch.x, stride};
      if (!in_place) Unit::gather(x.at(row, first), n, count, {scratch.x, stride});
      if constexpr (floats)
        if (in_place) block = x.at(row, first);
      f(gathered<Unit>{block, row, n, first, count, first + count == in});
    }
}

}  // namespace kernel

/// Panels [first, first + count) of a matrix.
struct panel_range {
  std::size_t first, count;
};

/// The same as below for the outputs of some panels: x (rows, in) -> y (rows, columns of the panels)
template <class Arch = simd::arch>
void matmul(rows_of<const float> x, std::size_t rows, const packed_matrix& w, panel_range panels, rows_of<float> y,
            bool accumulate = false) {
  kernel::with_unit<Arch>(w.type(), [&]<class Unit>(Unit) {
    kernel::for_each_block<Unit>(x, rows, w.in(), [&](const kernel::gathered<Unit>& block) {
      for (std::size_t p = 0; p < panels.count; ++p)
        block.multiply_panel(0, block.rows, w, panels.first + p, y.at(block.row, p * w.width()), accumulate);
    });
  });
}

/// x (rows, in) · W (out, in)ᵀ -> y (rows, out), added to y if `accumulate`. Rows need not be adjacent. Each element of
/// y is a sum over i in float, in an order that depends only on i: a row's bits do not depend on the rows beside it.
///
/// If W is f32, or the instruction set has no bfloat16, |error| ≤ in·2⁻²⁴·Σ|xᵢwᵢ|, with W's values as they are stored.
/// If AVX512_BF16 or AMX is compiled for, x is rounded to bfloat16 for other types of W, by 2⁻⁸ at most. So are the
/// values of nf4, and with AMX those of i4.
template <class Arch = simd::arch>
void matmul(rows_of<const float> x, std::size_t rows, const packed_matrix& w, rows_of<float> y,
            bool accumulate = false) {
  matmul<Arch>(x, rows, w, {0, w.panels()}, y, accumulate);
}

/// x (rows, in) · W (out, in)ᵀ -> y (rows, out)
template <class Arch = simd::arch>
void matmul(std::span<const float> x, std::size_t rows, const packed_matrix& w, std::span<float> y) {
  // Quotients, because the products may overflow.
  const auto has_rows = [rows](std::size_t size, std::size_t columns) {
    return columns > 0 && size % columns == 0 && size / columns == rows;
  };
  require(has_rows(x.size(), w.in()) && has_rows(y.size(), w.out()),
          "matmul: x has " + text(x.size()) + " numbers and y " + text(y.size()) + ", and " + text(rows) + " rows of " +
              text(w.in()) + " and of " + text(w.out()) + " are wanted");
  const std::less<const float*> before;
  require(!before(x.data(), y.data() + y.size()) || !before(y.data(), x.data() + x.size()),
          "matmul: x and y overlap, and y is written while x is read");
  matmul<Arch>(rows_of<const float>{x.data(), w.in()}, rows, w, rows_of<float>{y.data(), w.out()});
}

}  // namespace zoft::inline ZOFT_ISA::nn
