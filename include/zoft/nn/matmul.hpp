/// y = x·Wᵀ for weights that are packed once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../simd/batch.hpp"
#include "dtype.hpp"

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

/// W (out, in), in panels of as many outputs as the kernel computes side by
/// side: panel p holds W[p·width + c][i] at (i·width + c), with zeros behind
/// the last output. Stored as float or bfloat16.
class packed_matrix {
 public:
  packed_matrix() = default;
  packed_matrix(std::size_t out, std::size_t in, dtype type)
      : out_(out), in_(in), type_(type), width_(lanes * (out > lanes ? 2 : 1)) {
    require(type == dtype::f32 || type == dtype::bf16,
            "pack: dtype is " + std::string(name_of(type)) + ", and must be F32 or BF16");
    const std::size_t size = panels() * width_ * in_;
    if (type == dtype::f32)
      wide_.resize(size);
    else
      narrow_.resize(size);
  }

  static constexpr std::size_t lanes = simd::floats<>::size;

  std::size_t out() const { return out_; }
  std::size_t in() const { return in_; }
  dtype type() const { return type_; }
  std::size_t width() const { return width_; }  ///< outputs of a panel
  std::size_t panels() const { return (out_ + width_ - 1) / width_; }
  std::size_t bytes() const { return wide_.size() * sizeof(float) + narrow_.size() * sizeof(bfloat16); }

  /// Rows [first, first + w.size()/in) of W become s·w, rounded once.
  void assign(std::span<const float> w, std::size_t first = 0, float s = 1) {
    require(w.size() % in_ == 0 && first + w.size() / in_ <= out_,
            "packed_matrix: " + text(w.size()) + " numbers from row " + text(first) + " do not fit " + text(out_) +
                " by " + text(in_));
    for (std::size_t from = 0; from < w.size(); from += in_, ++first) {
      const std::size_t place = first / width_ * in_ * width_ + first % width_;
      for (std::size_t i = 0; i < in_; ++i)
        if (type_ == dtype::f32)
          wide_[place + i * width_] = s * w[from + i];
        else
          narrow_[place + i * width_] = bfloat16(s * w[from + i]);
    }
  }

  float at(std::size_t o, std::size_t i) const {
    const std::size_t place = (o / width_ * in_ + i) * width_ + o % width_;
    return type_ == dtype::f32 ? wide_[place] : static_cast<float>(narrow_[place]);
  }

  /// Row o, widened: what an embedding looks up.
  void row(std::size_t o, std::span<float> to) const {
    for (std::size_t i = 0; i < in_; ++i) to[i] = at(o, i);
  }

  const float* wide_panel(std::size_t p) const { return wide_.data() + p * in_ * width_; }
  const bfloat16* narrow_panel(std::size_t p) const { return narrow_.data() + p * in_ * width_; }

 private:
  std::size_t out_ = 0, in_ = 0;
  dtype type_ = dtype::f32;
  std::size_t width_ = lanes;
  std::vector<float> wide_;
  std::vector<bfloat16> narrow_;
};

/// W (out, in) row-major -> panels.
inline packed_matrix pack(std::span<const float> weights, std::size_t out, std::size_t in, dtype type = dtype::f32) {
  require(weights.size() == out * in && !weights.empty(), "pack: " + text(weights.size()) +
                                                              " weights were given, and " + text(out) + " by " +
                                                              text(in) + " are " + text(out * in));
  packed_matrix result(out, in, type);
  result.assign(weights);
  return result;
}

/// Where the rows of a matrix are: row r begins at data + r·stride.
template <class T>
struct rows_of {
  T* data;
  std::size_t stride;
};

namespace kernel {

/// Rows × Vectors vectors of y, each the sum over i in order: the same bits for
/// a row whatever rows are beside it.
template <std::size_t Rows, std::size_t Vectors, class Arch, class W>
[[gnu::always_inline]] inline void tile(rows_of<const float> x, const W* panel, std::size_t in, rows_of<float> y,
                                        bool accumulate) {
  using floats = simd::floats<Arch>;
  constexpr std::size_t lanes = floats::size;
  floats sum[Rows][Vectors];
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < Vectors; ++v)
      sum[r][v] = accumulate ? floats::load_unaligned(y.data + r * y.stride + v * lanes) : floats(0.0f);
  for (std::size_t i = 0; i < in; ++i) {
    floats w[Vectors];
    for (std::size_t v = 0; v < Vectors; ++v) w[v] = simd::widened<Arch>(panel + (i * Vectors + v) * lanes);
    for (std::size_t r = 0; r < Rows; ++r) {
      const floats value(x.data[r * x.stride + i]);
      for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = xsimd::fma(value, w[v], sum[r][v]);
    }
  }
  for (std::size_t r = 0; r < Rows; ++r)
    for (std::size_t v = 0; v < Vectors; ++v) sum[r][v].store_unaligned(y.data + r * y.stride + v * lanes);
}

/// The same where the panel has fewer than all its columns.
template <std::size_t Rows, std::size_t Vectors, class Arch, class W>
void cut_tile(rows_of<const float> x, const W* panel, std::size_t in, rows_of<float> y, bool accumulate,
              std::size_t columns) {
  constexpr std::size_t width = Vectors * simd::floats<Arch>::size;
  float whole[Rows * width] = {};
  for (std::size_t r = 0; accumulate && r < Rows; ++r) std::copy_n(y.data + r * y.stride, columns, whole + r * width);
  tile<Rows, Vectors, Arch>(x, panel, in, {whole, width}, accumulate);
  for (std::size_t r = 0; r < Rows; ++r) std::copy_n(whole + r * width, columns, y.data + r * y.stride);
}

/// Rows that keep the sums, a panel's vectors and a broadcast in registers: 12
/// × 2 of 32, or 6 × 2 of 16.
template <class Arch>
inline constexpr std::size_t tile_rows = simd::vector_registers == 32 ? 12 : 6;

template <std::size_t Rows, std::size_t Vectors, class Arch, class W>
void row_block(rows_of<const float> x, std::size_t rows, const W* panel, std::size_t in, rows_of<float> y,
               bool accumulate, std::size_t columns) {
  constexpr std::size_t width = Vectors * simd::floats<Arch>::size;
  std::size_t row = 0;
  for (; row + Rows <= rows; row += Rows) {
    const rows_of<const float> from{x.data + row * x.stride, x.stride};
    const rows_of<float> to{y.data + row * y.stride, y.stride};
    if (columns == width)
      tile<Rows, Vectors, Arch>(from, panel, in, to, accumulate);
    else
      cut_tile<Rows, Vectors, Arch>(from, panel, in, to, accumulate, columns);
  }
  if constexpr (Rows > 1)
    if (row < rows)
      row_block<(Rows > 4 ? Rows / 2 : 1), Vectors, Arch>({x.data + row * x.stride, x.stride}, rows - row, panel, in,
                                                          {y.data + row * y.stride, y.stride}, accumulate, columns);
}

}  // namespace kernel

/// x (rows, in) · W (out, in)ᵀ -> y (rows, out), or added to y. Rows may lie
/// apart. Each element of y is one sum over i in order, in float: |error| ≤
/// in·2⁻²⁴·Σ|xᵢwᵢ|.
template <class Arch = xsimd::default_arch>
void matmul(rows_of<const float> x, std::size_t rows, const packed_matrix& w, rows_of<float> y,
            bool accumulate = false) {
  constexpr std::size_t block = 96;  // rows whose x stays in cache while all panels pass
  for (std::size_t row = 0; row < rows; row += block) {
    const std::size_t n = std::min(block, rows - row);
    const rows_of<const float> from{x.data + row * x.stride, x.stride};
    for (std::size_t p = 0; p < w.panels(); ++p) {
      const std::size_t columns = std::min(w.width(), w.out() - p * w.width());
      const rows_of<float> to{y.data + row * y.stride + p * w.width(), y.stride};
      const auto run = [&](const auto* panel) {
        constexpr std::size_t most = kernel::tile_rows<Arch>;
        if (w.width() == packed_matrix::lanes)
          kernel::row_block<most, 1, Arch>(from, n, panel, w.in(), to, accumulate, columns);
        else
          kernel::row_block<most, 2, Arch>(from, n, panel, w.in(), to, accumulate, columns);
      };
      if (w.type() == dtype::f32)
        run(w.wide_panel(p));
      else
        run(w.narrow_panel(p));
    }
  }
}

/// x (rows, in) · W (out, in)ᵀ -> y (rows, out)
template <class Arch = xsimd::default_arch>
void matmul(std::span<const float> x, std::size_t rows, const packed_matrix& w, std::span<float> y) {
  require(x.size() == rows * w.in() && y.size() == rows * w.out(),
          "matmul: x has " + text(x.size()) + " numbers and y " + text(y.size()) + ", and " + text(rows) + " rows of " +
              text(w.in()) + " and of " + text(w.out()) + " are wanted");
  matmul<Arch>(rows_of<const float>{x.data(), w.in()}, rows, w, rows_of<float>{y.data(), w.out()});
}

}  // namespace zoft::inline ZOFT_ISA::nn
