/// Attention with grouped key and value heads (Ainslie et al. 2023, arXiv:2305.13245), sliding windows (Beltagy et al.
/// 2020, arXiv:2004.05150) and capped scores (Gemma Team 2024, arXiv:2408.00118).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../kernel/matmul.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The shape of an attention: query head h reads key and value head h·kv_heads/heads.
struct attention_shape {
  std::size_t heads, kv_heads, head_dim;
  double scale = 0;        ///< of q·k; 0: 1/√d
  double cap = 0;          ///< scores s become cap·tanh(s/cap); 0: no cap
  std::size_t window = 0;  ///< keys that a row sees at most; 0: no limit

  /// The first key of those that a row sees whose last one is t.
  std::size_t first_key(std::size_t t) const { return window == 0 || t < window ? 0 : t + 1 - window; }
};

/// q (rows, heads·d); k, v (keys, kv_heads·d) -> y (rows, heads·d). With t = last[row], the last key that a row sees:
/// its own position in a decoder, that of the last token in an encoder,
///
///     y = Σⱼ pⱼ·vⱼ for j in (t − window, t],    p = softmax(s),    sⱼ = cap·tanh(scale·q·kⱼ/cap)
///
/// The reference for `attention`.
inline void attention_reference(rows_of<const float> q, rows_of<const float> k, rows_of<const float> v,
                                std::span<const std::size_t> last, const attention_shape& s, rows_of<float> y) {
  const double scale = s.scale == 0 ? 1 / std::sqrt(static_cast<double>(s.head_dim)) : s.scale;
  for (std::size_t row = 0; row < last.size(); ++row)
    for (std::size_t h = 0; h < s.heads; ++h) {
      const std::size_t at = h * s.head_dim, kv = h * s.kv_heads / s.heads * s.head_dim;
      const std::size_t first = s.first_key(last[row]);
      std::vector<double> p(last[row] + 1 - first), sum(s.head_dim);
      double total = 0;
      for (std::size_t j = 0; j < p.size(); ++j) {
        for (std::size_t d = 0; d < s.head_dim; ++d)
          p[j] += scale * q.data[row * q.stride + at + d] * k.data[(first + j) * k.stride + kv + d];
        if (s.cap != 0) p[j] = s.cap * std::tanh(p[j] / s.cap);
      }
      const double greatest = *std::max_element(p.begin(), p.end());
      for (double& value : p) total += value = std::exp(value - greatest);
      for (std::size_t d = 0; d < s.head_dim; ++d) {
        for (std::size_t j = 0; j < p.size(); ++j) sum[d] += p[j] / total * v.data[(first + j) * v.stride + kv + d];
        y.data[row * y.stride + at + d] = static_cast<float>(sum[d]);
      }
    }
}

namespace kernel {

// GCC keeps an array of vectors in registers only if the loops over it are unrolled. At -O2 it unrolls them only when
// told to.

/// The number of keys whose scores are held at once. Blocks begin at multiples of it, for all rows.
inline constexpr std::size_t key_block = 32;
/// The number of keys, or columns of v, whose sums are kept in registers side by side.
inline constexpr std::size_t together = 8;

/// Transposes a square of as many rows as a vector has lanes.
template <std::size_t... I>
[[gnu::always_inline]] inline void transpose(simd::f32 (&rows)[simd::lanes], std::index_sequence<I...>) {
  // Write the place of an element as the bits of its row, then those of its lane. Interleaving the first half of the
  // rows with the second rotates these bits by one. After as many rotations as a lane has bits, row and lane have
  // changed places.
#pragma GCC unroll 4
  for (std::size_t turned = 1; turned < simd::lanes; turned *= 2) {
    simd::f32 next[simd::lanes];
#pragma GCC unroll 8
    for (std::size_t i = 0; i < simd::lanes / 2; ++i) {
      const simd::f32 a = rows[i], b = rows[i + simd::lanes / 2];
      next[2 * i] = __builtin_shufflevector(a, b, (I / 2 + I % 2 * simd::lanes)...);
      next[2 * i + 1] = __builtin_shufflevector(a, b, ((I + simd::lanes) / 2 + I % 2 * simd::lanes)...);
    }
    std::copy(std::begin(next), std::end(next), rows);
  }
}
inline void transpose(simd::f32 (&rows)[simd::lanes]) { transpose(rows, std::make_index_sequence<simd::lanes>()); }

/// `size` floats of scratch, aligned to a cache line: a vector that crosses a line takes two loads.
inline float* at_line(std::vector<float>& scratch, std::size_t size) {
  constexpr std::size_t line = 64;
  if (scratch.size() < size + line / sizeof(float)) scratch.resize(size + line / sizeof(float));
  void* at = scratch.data();
  std::size_t space = scratch.size() * sizeof(float);
  return static_cast<float*>(std::align(line, size * sizeof(float), at, space));
}

/// One head for as many query rows as a vector has lanes. Each lane holds one row, so any head width does equally well.
/// The softmax is a running one (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al. 2022, arXiv:2205.14135):
/// weights are relative to the greatest score so far, and the sums are rescaled when that changes. Each lane sums over
/// its keys in order, and keys that it must not see leave it unchanged. So a row's bits do not depend on its place in a
/// vector.
template <class Arch>
class attention_rows {
 public:
  using floats = simd::floats<Arch>;
  static constexpr std::size_t lanes = floats::size;
  static_assert(lanes == simd::lanes, "the compile-time instruction set and the kernel's differ in width");

  /// The size of `memory`, in floats.
  static std::size_t size(std::size_t head_dim) { return (2 * head_dim + 4 + key_block) * lanes; }

  attention_rows(rows_of<const float> q, std::span<const std::size_t> last, const attention_shape& shape, float* memory)
      : rows_last_(last),
        shape_(shape),
        head_dim_(shape.head_dim),
        columns_(memory),
        out_(columns_ + head_dim_ * lanes),
        greatest_(out_ + head_dim_ * lanes),
        total_(greatest_ + lanes),
        first_(total_ + lanes),
        last_(first_ + lanes),
        scores_(last_ + lanes) {
    const std::size_t head_dim = head_dim_;
    const float scale =
        shape.scale == 0 ? 1 / std::sqrt(static_cast<float>(head_dim)) : static_cast<float>(shape.scale);
    for (std::size_t first = 0; first < head_dim; first += lanes) {
      const std::size_t n = std::min(lanes, head_dim - first);
      simd::f32 block[lanes] = {};
      for (std::size_t lane = 0; lane < rows(); ++lane) {
        const float* from = q.data + lane * q.stride + first;
        if (n == lanes)
          block[lane] = simd::load<simd::f32>(from);
        else
          for (std::size_t i = 0; i < n; ++i) block[lane][i] = from[i];
      }
      transpose(block);
      for (std::size_t i = 0; i < n; ++i) simd::store(columns_ + (first + i) * lanes, block[i] * scale);
    }
    std::fill_n(out_, head_dim * lanes, 0.0f);
    // Not −∞, because −∞ − (−∞) is NaN. This way scores of −∞, such as those of hidden keys, become weights of 0.
    std::fill_n(greatest_, lanes, std::numeric_limits<float>::lowest());
    std::fill_n(total_, lanes, 0.0f);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const std::size_t key = last[std::min(lane, rows() - 1)];
      first_[lane] = static_cast<float>(shape.first_key(key));
      last_[lane] = static_cast<float>(key);
    }
  }

  /// Adds keys [first, first + key_block), at least one of which the last row sees. k and v begin at key `first`.
  void see(std::size_t first, rows_of<const float> k, rows_of<const float> v) {
    const std::size_t seen = std::min(key_block, rows_last_.back() + 1 - first);
    const bool none_by_all = rows_last_.front() < first || shape_.first_key(rows_last_.back()) > first;
    const std::size_t by_all = none_by_all ? 0 : std::min(key_block, rows_last_.front() + 1 - first);
    const floats before = floats::load_aligned(greatest_);
    floats greatest = before;
    score<together>(first, k, 0, seen, greatest);
    greatest.store_aligned(greatest_);
    // Exactly 1 where the greatest score did not change, as in lanes that see none of the block.
    const floats scale = xsimd::select(greatest == before, floats(1.0f), exponential(before - greatest));
    floats total = floats::load_aligned(total_) * scale;
    for (std::size_t j = 0; j < seen; ++j) {
      const floats p = exponential(floats::load_aligned(scores_ + j * lanes) - greatest);
      total = total + p;
      p.store_aligned(scores_ + j * lanes);
    }
    total.store_aligned(total_);
    add_values<together>(first, v, 0, by_all, seen, scale);
  }

  void finish(rows_of<float> y) const {
    const simd::f32 total = simd::load<simd::f32>(total_);
    for (std::size_t first = 0; first < head_dim_; first += lanes) {
      const std::size_t n = std::min(lanes, head_dim_ - first);
      simd::f32 block[lanes] = {};
      for (std::size_t i = 0; i < n; ++i) block[i] = simd::load<simd::f32>(out_ + (first + i) * lanes) / total;
      transpose(block);
      for (std::size_t lane = 0; lane < rows(); ++lane) {
        float* to = y.data + lane * y.stride + first;
        if (n == lanes)
          simd::store(to, block[lane]);
        else
          for (std::size_t i = 0; i < n; ++i) to[i] = block[lane][i];
      }
    }
  }

 private:
  std::size_t rows() const { return rows_last_.size(); }

  /// eˣ for x ≤ 0 or NaN. Does not rely on xsimd for e^−∞, which differs between versions.
  static floats exponential(const floats& x) { return xsimd::select(x < floats(-104.0f), floats(0.0f), xsimd::exp(x)); }
  /// Lanes whose row sees key j.
  auto sees(std::size_t j) const {
    const floats key(static_cast<float>(j));
    return floats::load_aligned(first_) <= key && key <= floats::load_aligned(last_);
  }
  floats capped(const floats& score) const {
    const auto cap = static_cast<float>(shape_.cap);
    return cap == 0 ? score : floats(cap) * xsimd::tanh(score / floats(cap));
  }

  /// scores_ = scale·q·k for keys [j, n) of a block, capped, and −∞ for keys that a row must not see.
  template <std::size_t Keys>
  void score(std::size_t first, rows_of<const float> k, std::size_t j, std::size_t n, floats& greatest) {
    for (; j + Keys <= n; j += Keys) {
      const float* key[Keys];
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Keys; ++i) key[i] = k.data + (j + i) * k.stride;
      floats sum[Keys];
#pragma GCC unroll 8
      for (floats& s : sum) s = floats(0.0f);
      for (std::size_t d = 0; d < head_dim_; ++d) {
        const floats column = floats::load_aligned(columns_ + d * lanes);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < Keys; ++i) sum[i] = simd::fma<Arch>(column, floats(key[i][d]), sum[i]);
      }
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Keys; ++i) {
        const floats s =
            xsimd::select(sees(first + j + i), capped(sum[i]), floats(-std::numeric_limits<float>::infinity()));
        greatest = xsimd::max(greatest, s);
        s.store_aligned(scores_ + (j + i) * lanes);
      }
    }
    if constexpr (Keys > 1) score<Keys / 2>(first, k, j, n, greatest);
  }

  /// out_ = out_·scale + Σⱼ p·v for columns [d, head_dim) of v. Every row sees the first `by_all` of the `seen` keys.
  template <std::size_t Columns>
  void add_values(std::size_t first, rows_of<const float> v, std::size_t d, std::size_t by_all, std::size_t seen,
                  const floats& scale) {
    for (; d + Columns <= head_dim_; d += Columns) {
      floats sum[Columns];
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Columns; ++i) sum[i] = floats::load_aligned(out_ + (d + i) * lanes) * scale;
      for (std::size_t j = 0; j < by_all; ++j) {
        const floats p = floats::load_aligned(scores_ + j * lanes);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < Columns; ++i)
          sum[i] = simd::fma<Arch>(p, floats(v.data[j * v.stride + d + i]), sum[i]);
      }
      for (std::size_t j = by_all; j < seen; ++j) {
        const floats p = floats::load_aligned(scores_ + j * lanes);
        const auto some = sees(first + j);
#pragma GCC unroll 8
        for (std::size_t i = 0; i < Columns; ++i)
          sum[i] = xsimd::select(some, simd::fma<Arch>(p, floats(v.data[j * v.stride + d + i]), sum[i]), sum[i]);
      }
#pragma GCC unroll 8
      for (std::size_t i = 0; i < Columns; ++i) sum[i].store_aligned(out_ + (d + i) * lanes);
    }
    if constexpr (Columns > 1) add_values<Columns / 2>(first, v, d, by_all, seen, scale);
  }

  std::span<const std::size_t> rows_last_;  // the last key that each row sees
  attention_shape shape_;
  std::size_t head_dim_;
  float* columns_;   // the rows of q, transposed (d, lanes) and scaled
  float* out_;       // Σ p·v, transposed likewise
  float* greatest_;  // the greatest score so far
  float* total_;     // Σ p
  float* first_;     // the first and the last key that the row of each lane sees
  float* last_;
  float* scores_;  // scores of a block of keys (key_block, lanes), and later their weights
};

}  // namespace kernel

/// The same as attention_reference, in float. The last keys must be in ascending order: for each vector of rows, blocks
/// of keys that none of them sees are skipped. With u = 2⁻²⁴ and S = max_j scale·Σᵢ|qᵢk_ji|,
///
///     |error| ≤ u·(2(d + 5)·S + 3·keys + 22)·max|v|
///
/// This counts the roundings of the scores, the sums over the keys, and the rescaling of the sums at each block. A cap
/// adds 8u·cap·max|v|. The size of the scratch memory does not depend on the number of keys.
template <class Arch = simd::arch>
void attention(rows_of<const float> q, rows_of<const float> k, rows_of<const float> v,
               std::span<const std::size_t> last, const attention_shape& s, rows_of<float> y,
               std::vector<float>& scratch) {
  using row_vector = kernel::attention_rows<Arch>;
  float* const memory = kernel::at_line(scratch, row_vector::size(s.head_dim));
  for (std::size_t h = 0; h < s.heads; ++h) {
    const std::size_t at = h * s.head_dim, kv = h * s.kv_heads / s.heads * s.head_dim;
    for (std::size_t row = 0; row < last.size(); row += row_vector::lanes) {
      const auto some = last.subspan(row, std::min(row_vector::lanes, last.size() - row));
      row_vector rows({q.data + row * q.stride + at, q.stride}, some, s, memory);
      const std::size_t begin = s.first_key(some.front()) / kernel::key_block * kernel::key_block;
      for (std::size_t j = begin; j <= some.back(); j += kernel::key_block)
        rows.see(j, {k.data + j * k.stride + kv, k.stride}, {v.data + j * v.stride + kv, v.stride});
      rows.finish({y.data + row * y.stride + at, y.stride});
    }
  }
}

}  // namespace zoft::inline ZOFT_ISA::nn
