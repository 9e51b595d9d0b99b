/// Directions whose matrices have low rank: their factors, and z made from these a row at a time.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "../../core/layout.hpp"
#include "../../random/normal.hpp"
#include "../../random/orthonormal.hpp"
#include "low_rank_parts.hpp"

namespace zoft::inline ZOFT_ISA {

/// The factors that directions share, and the map P from a core to a direction: z = P(y). The factors are kept as
/// floats: V as (r, k), so that z is made along its rows, and U as (m, r). They take r·(m + k) floats, never m·k. The
/// basis refers to the layout.
///
/// Orthonormal: the columns of U and of V are orthonormal within each matrix. P is then an isometry up to the factor
/// gain().
template <core_shape Shape, bool Orthonormal>
class low_rank_basis {
  using part = low_rank_parts::part;

 public:
  /// Draws U from the left-factor stream of `left` (there is no U for core_shape::rows) and V from the right-factor
  /// stream of `right`. scale(tensor) is s.
  template <class Scale>
  low_rank_basis(const layout& shape, std::size_t rank, direction left, direction right, Scale scale)
      : parts_(low_rank_parts::table<Shape>(shape, rank)), rank_(rank), size_(shape.size()) {
    for (const tensor& t : shape) scale_.push_back(t.is_matrix() ? scale(t) : 1.0);
    right_ = drawn(right, random::stream::right_factor, parts_.back().right);
    if constexpr (has_left) left_ = drawn(left, random::stream::left_factor, parts_.back().left);
    for (const part& p : parts_) {
      if (p.owner == nullptr || !p.owner->is_matrix()) continue;
      if constexpr (Orthonormal) orthonormalise(right_.data() + p.right, p.owner->columns);
      if constexpr (has_left && Orthonormal) {
        // Drawn as (r, m), made orthonormal by rows, and kept as (m, r).
        float* const u = left_.data() + p.left;
        const std::size_t rows = p.owner->rows;
        orthonormalise(u, rows);
        const std::vector<float> columns(u, u + rows * rank_);
        for (std::size_t i = 0; i < rows; ++i)
          for (std::size_t j = 0; j < rank_; ++j) u[i * rank_ + j] = columns[j * rows + i];
      }
    }
  }

  std::uint64_t elements() const { return size_; }
  std::size_t core_words() const { return parts_.back().words; }  ///< words in the cores of all matrices

  /// ‖P(y)‖ / ‖y‖ for tensor `index`, the same for all y.
  double gain(std::size_t index) const requires Orthonormal { return scale_[index]; }

  /// g += (P y)[first …]
  template <number A>
  void embed(std::span<const A> y, std::span<A> g, std::uint64_t first) const {
    low_rank_parts::for_each_tensor(std::span(parts_), g, first,
                                    [&](const part& p, std::size_t begin, std::span<A> piece) {
                                      const A* const of_tensor = y.data() + p.core;
                                      if (p.owner->is_matrix())
                                        matrix_axpy(p, of_tensor, begin, piece, A{1});
                                      else
                                        random::axpy<A>(piece, A{1}, of_tensor + begin);
                                    });
  }

  /// y ← the core whose z in this basis is nearest to the z that y gave in `from`:
  ///
  ///     rows      y ← y·(V_fromᵀV)            for orthonormal V; for gaussian V, divided by k (VᵀV ≈ k·I)
  ///     square    y ← (UᵀU_from)·y·(V_fromᵀV)
  template <number A>
  void carry(const low_rank_basis& from, std::span<A> y) const requires(Shape != core_shape::diagonal) {
    for (std::size_t i = 0; i + 1 < parts_.size(); ++i) {
      const part& p = parts_[i];
      if (!p.owner->is_matrix()) continue;
      const std::span<A> core = y.subspan(p.core, parts_[i + 1].core - p.core);
      const std::size_t k = p.owner->columns;
      std::vector<double> across(rank_ * rank_);
      for (std::size_t a = 0; a < rank_; ++a)
        for (std::size_t b = 0; b < rank_; ++b)
          across[a * rank_ + b] =
              random::dot(from.right_.data() + p.right + a * k, right_.data() + p.right + b * k, k) /
              (Orthonormal ? 1.0 : static_cast<double>(k));
      if constexpr (has_left) {
        std::vector<double> down(rank_ * rank_), before(core.begin(), core.end());
        for (std::size_t row = 0; row < p.owner->rows; ++row)
          for (std::size_t a = 0; a < rank_; ++a)
            random::axpy<double>(std::span(down).subspan(a * rank_, rank_),
                                 static_cast<double>(left_[p.left + row * rank_ + a]),
                                 from.left_.data() + p.left + row * rank_);
        multiply(std::span<const double>(down), std::span<const double>(before), core);
      }
      multiply(std::span<const A>(core), std::span<const double>(across), core);
    }
  }

  /// z of matrix `index` is left·right. to (m, r) ← left, where `words` are the cores of z.
  void left(std::size_t index, const float* words, std::span<float> to) const {
    const part& p = parts_[index];
    for (std::size_t row = 0; row < p.owner->rows; ++row)
      left_row(p, words + p.words, row, 0, to.subspan(row * rank_, rank_));
  }
  /// right (r, k)
  std::span<const float> right(std::size_t index) const {
    const part& p = parts_[index];
    return std::span(right_).subspan(p.right, rank_ * p.owner->columns);
  }
  std::size_t rank() const { return rank_; }

  /// x[i] += a · z[first + i] for the matrices, where `words` are the cores of z, one matrix after another. Pieces of
  /// vectors go to vectors(piece, element).
  template <number T, class F>
  void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first, const float* words, F vectors) const {
    low_rank_parts::for_each_tensor(std::span(parts_), x, first,
                                    [&](const part& p, std::size_t begin, std::span<T> piece) {
                                      if (p.owner->is_matrix())
                                        matrix_axpy(p, words + p.words, begin, piece, a);
                                      else
                                        vectors(piece, p.owner->offset + begin);
                                    });
  }

 private:
  static constexpr bool has_left = Shape != core_shape::rows;
  static constexpr std::size_t chunk = 1024;  // elements of z at a time
  static constexpr std::size_t block = 64;    // terms of a sum at a time

  static std::vector<float> drawn(direction d, random::stream s, std::size_t n) {
    std::vector<float> result(n, 0.0f);
    random::drawn<random::normal>(d, s).axpy(std::span(result), 1.0f);
    return result;
  }

  /// Makes the rows of q (r, n) orthonormal, computing in double.
  void orthonormalise(float* q, std::size_t n) const {
    std::vector<double> rows(q, q + rank_ * n);
    random::orthonormalise(rows, rank_);
    for (std::size_t i = 0; i < rows.size(); ++i) q[i] = static_cast<float>(rows[i]);
  }

  /// to ← a·b, where b is (r, r), and a and `to` have r columns and any number of rows. `to` may be a.
  template <class A, class B, class C>
  void multiply(std::span<const A> a, std::span<const B> b, std::span<C> to) const {
    std::vector<double> row(rank_);
    for (std::size_t i = 0; i < a.size(); i += rank_) {
      std::fill(row.begin(), row.end(), 0.0);
      for (std::size_t j = 0; j < rank_; ++j)
        random::axpy<double>(std::span(row), static_cast<double>(a[i + j]), b.data() + j * rank_);
      for (std::size_t j = 0; j < rank_; ++j) to[i + j] = static_cast<C>(row[j]);
    }
  }

  /// x += a · z[begin …] for the one matrix whose core is y.
  template <number T, class Y>
  void matrix_axpy(const part& p, const Y* y, std::size_t begin, std::span<T> x, arithmetic_t<T> a) const {
    using A = arithmetic_t<T>;
    const std::size_t k = p.owner->columns;
    for (std::size_t i = 0; i < x.size();) {
      const std::size_t row = (begin + i) / k, column = (begin + i) % k;
      const std::size_t n = std::min({chunk, x.size() - i, k - column});
      A z[chunk], left[block];
      std::fill_n(z, n, A{0});
      for (std::size_t j = 0; j < rank_; j += block) {
        const std::size_t terms = std::min(block, rank_ - j);
        left_row(p, y, row, j, std::span<A>(left, terms));
        for (std::size_t t = 0; t < terms; ++t)
          random::axpy<A>(std::span<A>(z, n), left[t], right_.data() + p.right + (j + t) * k + column);
      }
      random::axpy<T>(x.subspan(i, n), a, z);
      i += n;
    }
  }

  /// Elements j, j + 1, … of one row of the factor to the left of Vᵀ.
  template <class Y, class A>
  void left_row(const part& p, const Y* y, std::size_t row, std::size_t j, std::span<A> to) const {
    const A scale = static_cast<A>(scale_[static_cast<std::size_t>(&p - parts_.data())]);
    const float* const u = has_left ? left_.data() + p.left + row * rank_ : nullptr;
    if constexpr (Shape == core_shape::square) {
      std::fill(to.begin(), to.end(), A{0});
      for (std::size_t l = 0; l < rank_; ++l) random::axpy<A>(to, static_cast<A>(u[l]), y + l * rank_ + j);
    }
    for (std::size_t t = 0; t < to.size(); ++t) {
      if constexpr (Shape == core_shape::rows) to[t] = static_cast<A>(y[row * rank_ + j + t]);
      if constexpr (Shape == core_shape::diagonal)
        to[t] = simd::rounded<A>(static_cast<A>(u[j + t]) * static_cast<A>(y[j + t]));
      to[t] = simd::rounded<A>(scale * to[t]);
    }
  }

  std::vector<part> parts_;
  std::size_t rank_;
  std::size_t size_;
  std::vector<double> scale_;
  std::vector<float> left_, right_;
};

/// z(d) in such a basis, which several directions may share. The matrices' cores are drawn once, the gaussians of
/// vectors when they are needed.
template <core_shape Shape, bool Orthonormal>
class low_rank_direction {
 public:
  using basis_type = low_rank_basis<Shape, Orthonormal>;

  low_rank_direction(basis_type basis, direction d)
      : low_rank_direction(std::make_shared<const basis_type>(std::move(basis)), d) {}
  low_rank_direction(std::shared_ptr<const basis_type> basis, direction d)
      : basis_(std::move(basis)), core_(basis_->core_words(), 0.0f), vectors_(random::gaussian_direction(d)) {
    random::drawn<random::normal>(d, low_rank_parts::words_of<Shape>)
        .axpy(std::span(core_), 1.0f, low_rank_parts::first_word<Shape>);
  }

  std::uint64_t elements() const { return basis_->elements(); }

  // z of matrix `index` of the layout is left·right.

  std::size_t rank() const { return basis_->rank(); }
  void left(std::size_t index, std::span<float> to) const { basis_->left(index, core_.data(), to); }  ///< to (m, r)
  std::span<const float> right(std::size_t index) const { return basis_->right(index); }              ///< (r, k)

  /// x[i] += a · z[first + i], with z in the arithmetic of x; a = 0 and errors as in random::drawn::axpy.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
    random::check_axpy(x.size(), a, first, elements());
    if (a == 0 || x.empty()) return;
    basis_->axpy(x, a, first, core_.data(),
                 [&](std::span<T> piece, std::uint64_t element) { vectors_.axpy(piece, a, element); });
  }

 private:
  std::shared_ptr<const basis_type> basis_;
  std::vector<float> core_;
  random::drawn<random::normal> vectors_;
};

}  // namespace zoft::inline ZOFT_ISA
