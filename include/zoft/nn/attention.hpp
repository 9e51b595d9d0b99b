/// Causal attention with grouped key and value heads (Ainslie et al. 2023, arXiv:2305.13245).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "matmul.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The shape of an attention: query head h reads key and value head h·kv_heads/heads.
struct attention_shape {
  std::size_t heads, kv_heads, head_dim;
};

/// q (rows, heads·d), row r at positions[r]; k, v (as many as are seen, kv_heads·d) -> y (rows, heads·d), where for a
/// row at position t
///
///     y = Σ_{j ≤ t} p_j·v_j,    p = softmax_j(q·k_j/√d)
///
/// The reference for `attention`.
inline void attention_reference(rows_of<const float> q, rows_of<const float> k, rows_of<const float> v,
                                std::span<const std::size_t> positions, const attention_shape& s, rows_of<float> y) {
  for (std::size_t row = 0; row < positions.size(); ++row)
    for (std::size_t h = 0; h < s.heads; ++h) {
      const std::size_t at = h * s.head_dim, kv = h * s.kv_heads / s.heads * s.head_dim, seen = positions[row] + 1;
      std::vector<double> p(seen), sum(s.head_dim);
      double total = 0;
      for (std::size_t j = 0; j < seen; ++j) {
        for (std::size_t d = 0; d < s.head_dim; ++d)
          p[j] += double{q.data[row * q.stride + at + d]} * k.data[j * k.stride + kv + d];
        p[j] /= std::sqrt(static_cast<double>(s.head_dim));
      }
      const double greatest = *std::max_element(p.begin(), p.end());
      for (double& value : p) total += value = std::exp(value - greatest);
      for (std::size_t d = 0; d < s.head_dim; ++d) {
        for (std::size_t j = 0; j < seen; ++j) sum[d] += p[j] / total * v.data[j * v.stride + kv + d];
        y.data[row * y.stride + at + d] = static_cast<float>(sum[d]);
      }
    }
}

namespace kernel {

/// One head for as many query rows as a vector has lanes: a lane a row, so that any head width is as good as another.
/// Each lane sums over its keys in order, and keys that it must not see add 0: the same bits wherever in a vector a row
/// comes to lie.
template <class Arch>
void attention_block(const float* q, std::size_t q_stride, const float* k, std::size_t k_stride, const float* v,
                     std::size_t v_stride, std::span<const std::size_t> positions, std::size_t head_dim, float* y,
                     std::size_t y_stride, std::vector<float>& scratch) {
  using floats = simd::floats<Arch>;
  constexpr std::size_t lanes = floats::size;
  constexpr std::size_t together = 4;  // keys, or value columns, whose sums are kept in registers side by side
  const std::size_t rows = positions.size(), keys = positions.back() + 1;
  const std::size_t padded = (keys + together - 1) / together * together;
  scratch.resize((padded + 2 * head_dim) * lanes);
  float* scores = scratch.data();
  float* columns = scores + padded * lanes;  // q of the rows, transposed (d, lanes), scaled
  float* out = columns + head_dim * lanes;   // y of the rows, transposed

  const float scale = 1 / std::sqrt(static_cast<float>(head_dim));
  std::fill_n(columns, head_dim * lanes, 0.0f);
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t d = 0; d < head_dim; ++d) columns[d * lanes + row] = q[row * q_stride + d] * scale;

  alignas(64) float last_seen[lanes];
  for (std::size_t lane = 0; lane < lanes; ++lane)
    last_seen[lane] = static_cast<float>(positions[std::min(lane, rows - 1)]);
  const floats last = floats::load_aligned(last_seen), hidden(-std::numeric_limits<float>::infinity());
  floats greatest = hidden;
  for (std::size_t j = 0; j < keys; j += together) {
    const std::size_t n = std::min(together, keys - j);
    floats sum[together] = {floats(0.0f), floats(0.0f), floats(0.0f), floats(0.0f)};
    const float* key[together];
    for (std::size_t i = 0; i < together; ++i) key[i] = k + (j + std::min(i, n - 1)) * k_stride;
    for (std::size_t d = 0; d < head_dim; ++d) {
      const floats column = floats::load_unaligned(columns + d * lanes);
      for (std::size_t i = 0; i < together; ++i) sum[i] = xsimd::fma(column, floats(key[i][d]), sum[i]);
    }
    for (std::size_t i = 0; i < n; ++i) {
      sum[i] = xsimd::select(floats(static_cast<float>(j + i)) <= last, sum[i], hidden);
      greatest = xsimd::max(greatest, sum[i]);
      sum[i].store_unaligned(scores + (j + i) * lanes);
    }
  }
  floats total(0.0f);
  for (std::size_t j = 0; j < keys; ++j) {
    // exp is not asked about −∞, which not all of xsimd's versions take to 0.
    const floats score = floats::load_unaligned(scores + j * lanes);
    const floats p = xsimd::select(floats(static_cast<float>(j)) <= last, xsimd::exp(score - greatest), floats(0.0f));
    total = total + p;
    p.store_unaligned(scores + j * lanes);
  }
  const floats inverse = floats(1.0f) / total;
  for (std::size_t d = 0; d < head_dim; d += together) {
    const std::size_t n = std::min(together, head_dim - d);
    floats sum[together] = {floats(0.0f), floats(0.0f), floats(0.0f), floats(0.0f)};
    std::size_t column[together];
    for (std::size_t i = 0; i < together; ++i) column[i] = d + std::min(i, n - 1);
    for (std::size_t j = 0; j < keys; ++j) {
      const floats p = floats::load_unaligned(scores + j * lanes);
      for (std::size_t i = 0; i < together; ++i) sum[i] = xsimd::fma(p, floats(v[j * v_stride + column[i]]), sum[i]);
    }
    for (std::size_t i = 0; i < n; ++i) (sum[i] * inverse).store_unaligned(out + (d + i) * lanes);
  }
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t d = 0; d < head_dim; ++d) y[row * y_stride + d] = out[d * lanes + row];
}

}  // namespace kernel

/// The same as attention_reference, in float, for positions in ascending order: keys behind the last of a block of rows
/// are skipped.
template <class Arch = simd::arch>
void attention(rows_of<const float> q, rows_of<const float> k, rows_of<const float> v,
               std::span<const std::size_t> positions, const attention_shape& s, rows_of<float> y,
               std::vector<float>& scratch) {
  constexpr std::size_t lanes = simd::floats<Arch>::size;
  for (std::size_t h = 0; h < s.heads; ++h) {
    const std::size_t at = h * s.head_dim, kv = h * s.kv_heads / s.heads * s.head_dim;
    for (std::size_t row = 0; row < positions.size(); row += lanes)
      kernel::attention_block<Arch>(q.data + row * q.stride + at, q.stride, k.data + kv, k.stride, v.data + kv,
                                    v.stride, positions.subspan(row, std::min(lanes, positions.size() - row)),
                                    s.head_dim, y.data + row * y.stride + at, y.stride, scratch);
  }
}

}  // namespace zoft::inline ZOFT_ISA::nn
