/// The factors of a step's directions, made from what a forward at θ showed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/layout.hpp"
#include "../../core/observations.hpp"
#include "../../random/axpy.hpp"
#include "../../random/normal.hpp"
#include "../../simd/lanes.hpp"
#include "principal_inputs.hpp"

namespace zoft::inline ZOFT_ISA {

/// How z is made of what was shown.
struct observed_shape {
  bool guided = true;          ///< left is made from the gradients of outputs where they are known; otherwise gaussian
  std::size_t basis = 0;       ///< 0: right is rows of inputs; otherwise so many principal directions of all inputs
  std::size_t iterations = 3;  ///< of orthogonal iteration, for these
};

/// For the matrix (m, k) of one of N linears that are shown, and query i: z = left·right with right (r, k), rows of the
/// linear's input, and left (m, r), scaled so that z changes the linear's outputs by 1/N of what they are. With a
/// basis, right is orthonormal and the same for all queries, and left is gaussian and not scaled. What the forward did
/// not show has z = 0, and so has a linear whose outputs are all 0, without a basis. What it did show must be the
/// layout's.
class observed_factors {
 public:
  observed_factors(const layout& shape, observations seen, const observed_shape& o)
      : seen_(std::move(seen)), size_(shape.size()), rank_(o.basis > 0 ? o.basis : seen_.rows_of_query()) {
    seen_.measure();
    check(shape, o);
    std::uint64_t words = 0;
    for (const tensor& t : shape) {
      if (!t.is_matrix()) continue;
      const observations::found linear = seen_.find(t.name);
      if (!linear) continue;
      matrices_.push_back({&t - shape.tensors().data(), t.offset, t.rows, t.columns, linear.of->inputs.data(), {}, {}});
      if (o.basis > 0) make_basis(matrices_.back(), linear, o);
      make_left(matrices_.back(), linear, o.guided && o.basis == 0, words);
      words += t.rows * rank();
    }
    const float share = 1.0f / static_cast<float>(std::max<std::size_t>(1, matrices_.size()));
    for (matrix& m : matrices_)
      if (o.basis == 0) random::product<float>(m.left, share, m.left.data());
    for (observations::entry& e : seen_.entries()) {
      e.gradients = {};
      if (o.basis > 0) e.inputs = {};
    }
  }

  std::uint64_t elements() const { return size_; }
  std::size_t rank() const { return rank_; }
  std::size_t queries() const { return seen_.examples() * seen_.queries(); }

  /// left (m, r) and right (r, k) of matrix `index` of the layout; empty if it was not shown.
  std::span<const float> left(std::size_t index, std::size_t query) const {
    const matrix* const m = find(index);
    if (m == nullptr) return {};
    return std::span(m->left).subspan(query * m->rows * rank(), m->rows * rank());
  }
  std::span<const float> right(std::size_t index, std::size_t query) const {
    const matrix* const m = find(index);
    if (m == nullptr) return {};
    return {m->right + query * rank() * m->columns, rank() * m->columns};
  }

  /// x[i] += a · z(query)[first + i]
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, std::size_t query, std::uint64_t first) const {
    each_row(x, first, [&](const matrix& m, std::size_t row, std::size_t column, std::span<T> part) {
      add_row(m, query, row, column, a, part);
    });
  }
  /// x[i] = z(query)[first + i]
  void draw(std::span<float> x, std::size_t query, std::uint64_t first) const {
    std::fill(x.begin(), x.end(), 0.0f);
    each_row(x, first, [&](const matrix& m, std::size_t row, std::size_t column, std::span<float> part) {
      sum_rows(left_of(m, query, row), right_of(m, query, column), m.columns, part);
    });
  }

 private:
  static constexpr std::size_t chunk = 1024;

  struct matrix {
    std::ptrdiff_t index;
    std::size_t offset, rows, columns;
    const float* right;              // (queries, r, k)
    std::vector<float> left, basis;  // left (queries, m, r); basis: what right refers to, if that is not the inputs
  };

  /// Each linear that was shown is a matrix of the layout, and its outputs were noted where z is scaled by them.
  void check(const layout& shape, const observed_shape& o) const {
    for (const observations::entry& e : seen_.entries())
      for (const observations::part& p : e.parts) {
        const auto who = [&p] { return "observed_rows: '" + p.name + "'"; };
        const auto t = std::find_if(shape.begin(), shape.end(), [&](const tensor& of) {
          return of.name == p.name || of.name == p.name + ".weight";
        });
        if (t == shape.end()) {
          const auto some = std::find_if(shape.begin(), shape.end(), matrices);
          fail(who() + " was shown, and must be a matrix of the layout, which has " +
               (some == shape.end() ? "none" : "'" + some->name + "', for instance"));
        }
        if (!t->is_matrix())
          fail(who() + " was shown, and must be a matrix: in the layout it is a vector, and vectors rest");
        if (e.in != t->columns || p.out != t->rows)
          fail(who() + " was shown with " + text(e.in) + " inputs and " + text(p.out) + " outputs, and must have " +
               text(t->columns) + " and " + text(t->rows) + ", as in the layout");
        if (o.basis == 0 && observations::is_untouched(std::span(&p.square, 1)))
          fail(who() + " had its outputs noted for 0 of " + text(seen_.slots()) +
               " rows, and must have for at least 1: see observations::entry::note_outputs()");
      }
  }

  const matrix* find(std::size_t index) const {
    const auto found = std::lower_bound(matrices_.begin(), matrices_.end(), static_cast<std::ptrdiff_t>(index),
                                        [](const matrix& m, std::ptrdiff_t i) { return m.index < i; });
    return found != matrices_.end() && found->index == static_cast<std::ptrdiff_t>(index) ? &*found : nullptr;
  }

  /// Calls f(matrix, row, column, part) for each part of x that lies in a row of a matrix, at most `chunk` long.
  template <class T, class F>
  void each_row(std::span<T> x, std::uint64_t first, F f) const {
    const std::uint64_t end = first + x.size();
    for (const matrix& m : matrices_) {
      const std::uint64_t from = std::max<std::uint64_t>(first, m.offset);
      const std::uint64_t to = std::min<std::uint64_t>(end, m.offset + m.rows * m.columns);
      for (std::uint64_t at = from; at < to;) {
        const auto element = static_cast<std::size_t>(at - m.offset);
        const std::size_t row = element / m.columns, column = element % m.columns;
        const std::size_t n = std::min<std::size_t>({chunk, m.columns - column, static_cast<std::size_t>(to - at)});
        f(m, row, column, x.subspan(static_cast<std::size_t>(at - first), n));
        at += n;
      }
    }
  }

  const float* left_of(const matrix& m, std::size_t query, std::size_t row) const {
    return m.left.data() + (query * m.rows + row) * rank();
  }
  const float* right_of(const matrix& m, std::size_t query, std::size_t column) const {
    return m.right + query * rank() * m.columns + column;
  }

  template <number T>
  void add_row(const matrix& m, std::size_t query, std::size_t row, std::size_t column, arithmetic_t<T> a,
               std::span<T> x) const {
    using A = arithmetic_t<T>;
    A z[chunk];
    const float *const left = left_of(m, query, row), *const right = right_of(m, query, column);
    if constexpr (std::is_same_v<A, float>) {
      sum_rows(left, right, m.columns, std::span(z, x.size()));
    } else {
      std::fill_n(z, x.size(), A{0});
      for (std::size_t j = 0; j < rank(); ++j)
        random::axpy<A>(std::span<A>(z, x.size()), static_cast<A>(left[j]), right + j * m.columns);
    }
    random::axpy<T>(x, a, z);
  }

  /// z[i] = Σⱼ left[j]·right[j·k + i], summed in the order of j. A sum stays in its register, and what is left over is
  /// summed in shorter vectors: the rows of LoRA's B are no longer than its rank.
  template <std::size_t Lanes = simd::lanes>  // so that vectors the processor lacks are not compiled
  void sum_rows(const float* left, const float* right, std::size_t k, std::span<float> z) const {
    using f32x8 [[gnu::vector_size(32)]] = float;
    using f32x4 [[gnu::vector_size(16)]] = float;
    std::size_t i = 0;
    const auto next = [&]<class V>(V sum) {
      for (std::size_t j = 0; j < rank(); ++j)
        sum = simd::multiply_add<V>(left[j] - V{}, simd::load<V>(right + j * k + i), sum);
      simd::store(z.data() + i, sum);
      i += sizeof(V) / sizeof(float);
    };
    while (i + Lanes <= z.size()) next(simd::f32{});
    if constexpr (Lanes > 8)
      if (i + 8 <= z.size()) next(f32x8{});
    if constexpr (Lanes > 4)
      if (i + 4 <= z.size()) next(f32x4{});
    while (i < z.size()) next(0.0f);
  }

  void make_basis(matrix& m, const observations::found& linear, const observed_shape& o) const {
    require(o.basis <= m.columns, "observed_rows: basis is " + text(o.basis) + ", and '" + linear.which->name +
                                      "' has " + text(m.columns) + " inputs");
    // Linears that read the same inputs have the same basis.
    direction d = seen_.step();
    d.query = static_cast<std::uint32_t>(linear.of - seen_.entries().data());
    const std::vector<double> q = principal_inputs(seen_, *linear.of, o.basis, d, o.iterations);
    for (std::size_t query = 0; query < queries(); ++query)
      for (const double value : q) m.basis.push_back(static_cast<float>(value));
    m.right = m.basis.data();
  }

  void make_left(matrix& m, const observations::found& linear, bool guided, std::uint64_t words) const {
    const std::size_t r = rank(), all = queries();
    m.left.assign(all * m.rows * r, 0.0f);
    const bool has_gradients = guided && linear.of->gradients != nullptr;
    for (std::size_t query = 0; query < all; ++query) {
      const std::span<float> left = std::span(m.left).subspan(query * m.rows * r, m.rows * r);
      if (has_gradients) {
        const std::size_t out = linear.of->out;
        const float* const d = linear.of->gradients->data() + query * r * out + linear.which->first;
        for (std::size_t row = 0; row < m.rows; ++row)
          for (std::size_t j = 0; j < r; ++j) left[row * r + j] = d[j * out + row];
      } else {
        direction d = seen_.step();
        d.query = static_cast<std::uint32_t>(query);
        random::drawn<random::normal>(d, random::stream::left_factor).axpy(left, 1.0f, words);
      }
      if (m.basis.empty()) scale(m, query, left, linear.which->square);
    }
  }

  /// Scales left so that z changes y, over the rows that it is made of, by as much as y is: rms(xzᵀ) = rms(y). With
  /// z = Σⱼ uⱼxⱼᵀ, the mean of (xₜzᵀ)² over t and outputs is tr(GHG)/rm, for the inner products G of x and H of u.
  void scale(const matrix& m, std::size_t query, std::span<float> left, double square) const {
    const std::size_t r = rank();
    const float* const own = m.right + query * r * m.columns;
    std::vector<float> turned(m.columns * r);
    for (std::size_t i = 0; i < m.columns; ++i)
      for (std::size_t j = 0; j < r; ++j) turned[i * r + j] = own[j * m.columns + i];
    const std::vector<double> g = inner_products(turned), h = inner_products(left);
    double change = 0;
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < r; ++j) {
        double of_both = 0;  // (GG)ᵢⱼ
        for (std::size_t k = 0; k < r; ++k) of_both = simd::multiply_add(g[i * r + k], g[k * r + j], of_both);
        change = simd::multiply_add(of_both, h[i * r + j], change);
      }
    change /= static_cast<double>(r * m.rows);
    const float s = change > 0 && square > 0 ? static_cast<float>(std::sqrt(square / change)) : 0.0f;
    if (!is_finite(double{s}) || s == 0)
      std::fill(left.begin(), left.end(), 0.0f);
    else
      random::product<float>(left, s, left.data());
  }

  /// Σ xᵢxⱼ over the rows of x (n, r) -> (r, r). Some rows at a time are summed in float, in their order, so that the
  /// bits are the same on all instruction sets.
  std::vector<double> inner_products(std::span<const float> x) const {
    constexpr std::size_t together = 64, sums = 4;
    const std::size_t r = rank(), width = (r + simd::lanes - 1) / simd::lanes * simd::lanes;
    std::vector<double> result(r * r);
    std::vector<float> rows(together * width);
    for (std::size_t first = 0; first < x.size(); first += together * r) {
      const std::size_t n = std::min(together, (x.size() - first) / r);
      for (std::size_t row = 0; row < n; ++row) std::copy_n(x.data() + first + row * r, r, rows.data() + row * width);
      // xᵢxⱼ = xⱼxᵢ, so it is enough to have the vectors in which some j ≥ i.
      for (std::size_t i = 0; i < r; i += sums)
        for (std::size_t v = i / simd::lanes * simd::lanes; v < width; v += simd::lanes) {
          simd::f32 sum[sums] = {};
          for (std::size_t row = 0; row < n; ++row) {
            const float* const own = rows.data() + row * width;
            const simd::f32 others = simd::load<simd::f32>(own + v);
#pragma GCC unroll 4
            for (std::size_t k = 0; k < sums; ++k) sum[k] = simd::multiply_add(simd::splat(own[i + k]), others, sum[k]);
          }
          for (std::size_t k = 0; k < sums && i + k < r; ++k)
            for (std::size_t j = std::max(v, i + k); j < std::min(r, v + simd::lanes); ++j)
              result[(i + k) * r + j] += double{sum[k][j - v]};
        }
    }
    for (std::size_t i = 0; i < r; ++i)
      for (std::size_t j = 0; j < i; ++j) result[i * r + j] = result[j * r + i];
    return result;
  }

  observations seen_;
  std::size_t size_, rank_;
  std::vector<matrix> matrices_;
};

/// z of one query of the step. With nothing shown yet it is 0.
class observed_direction {
 public:
  observed_direction(std::shared_ptr<const observed_factors> of, std::size_t query, std::uint64_t elements)
      : of_(std::move(of)), query_(query), elements_(elements) {}

  std::uint64_t elements() const { return elements_; }
  std::size_t rank() const { return of_ == nullptr ? 0 : of_->rank(); }
  std::span<const float> left(std::size_t index) const {
    return of_ == nullptr ? std::span<const float>() : of_->left(index, query_);
  }
  std::span<const float> right(std::size_t index) const {
    return of_ == nullptr ? std::span<const float>() : of_->right(index, query_);
  }

  /// x[i] += a · z[first + i]; a = 0 and errors as in random::drawn::axpy.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
    random::check_axpy(x.size(), a, first, elements_);
    if (a != 0 && of_ != nullptr) of_->axpy(x, a, query_, first);
  }

  /// x[i] = z[first + i], the bits that axpy of a = 1 makes of zeros.
  void draw(std::span<float> x, std::uint64_t first = 0) const {
    random::check_axpy(x.size(), 1, first, elements_);
    if (of_ != nullptr)
      of_->draw(x, query_, first);
    else
      std::fill(x.begin(), x.end(), 0.0f);
  }

 private:
  std::shared_ptr<const observed_factors> of_;
  std::size_t query_;
  std::uint64_t elements_;
};

}  // namespace zoft::inline ZOFT_ISA
