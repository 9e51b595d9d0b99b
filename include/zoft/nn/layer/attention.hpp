/// Attention with grouped key and value heads (Ainslie et al. 2023, arXiv:2305.13245), sliding windows (Beltagy et al.
/// 2020, arXiv:2004.05150) and capped scores (Gemma Team 2024, arXiv:2408.00118).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../kernel/running_softmax.hpp"
#include "key_values.hpp"

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

/// Block scores are counted in units of 1/score_unit.
inline constexpr float score_unit = 65536;

namespace kernel {

/// The query heads that share one head of keys, for as many rows as the unit takes at a time. One product makes the
/// scores of a block of keys, another adds what they weigh of the values. A row's numbers do not depend on the rows
/// beside it: blocks begin at multiples of key_block for all rows, and a hidden key adds nothing.
template <class Unit>
class attention_rows {
 public:
  /// y (rows, shared·d) of query heads [head·shared, (head + 1)·shared).
  void run(rows_of<const float> q, const key_values& kv, std::size_t head, std::span<const std::size_t> last,
           const attention_shape& shape, rows_of<float> y, std::span<std::int64_t> block_scores) {
    block_scores_ = block_scores;
    const std::size_t shared = shape.heads / shape.kv_heads, rows = last.size() * shared;
    start(q, last, shape, shared);
    const std::size_t first_block = shape.first_key(last.front()) / key_block;
    for (std::size_t b = first_block; b * key_block <= last.back(); ++b) see(kv, b, head, last, shape, shared, rows);
    for (std::size_t row = 0; row < rows; ++row) {
      const float* const from = sums_.data() + row * values_width_;
      float* const to = y.at(row / shared, row % shared * shape.head_dim).data;
      for (std::size_t i = 0; i < shape.head_dim; ++i) to[i] = from[i] / softmax_[row].total;
    }
  }

  /// How many positions run() takes at a time.
  static std::size_t positions(const attention_shape& shape) {
    return std::max<std::size_t>(1, Unit::block_rows / (shape.heads / shape.kv_heads));
  }

 private:
  using element = typename Unit::element;
  using layout = key_block_layout<Unit>;
  using softmax = softmax_block<Unit, key_block>;
  static constexpr bool in_place = std::is_same_v<element, float>;  // weights take the place of their scores
  template <class T>
  using buffer = std::vector<T, line_allocator<T>>;

  /// Gathers the rows of q, scaled.
  void start(rows_of<const float> q, std::span<const std::size_t> last, const attention_shape& shape,
             std::size_t shared) {
    const layout is(shape.head_dim);
    const std::size_t rows = last.size() * shared, read = rows + Unit::least_rows - 1;
    key_steps_ = is.key_steps;
    values_width_ = is.value_panels * layout::width;
    queries_.resize(read * key_steps_);
    scores_.resize(rows * key_block);
    if (!in_place) weights_.resize(read * layout::value_steps);
    sums_.assign(rows * values_width_, 0.0f);
    softmax_.assign(rows, {});
    scaled_.resize(shape.head_dim);
    const float scale =
        shape.scale == 0 ? 1 / std::sqrt(static_cast<float>(shape.head_dim)) : static_cast<float>(shape.scale);
    for (std::size_t row = 0; row < rows; ++row) {
      const float* const from = q.at(row / shared, row % shared * shape.head_dim).data;
      std::transform(from, from + shape.head_dim, scaled_.begin(), [scale](float x) { return scale * x; });
      Unit::gather({scaled_.data(), shape.head_dim}, 1, shape.head_dim,
                   {queries_.data() + row * key_steps_, key_steps_});
    }
  }

  element* weights() {
    if constexpr (in_place)
      return scores_.data();
    else
      return weights_.data();
  }

  /// Adds block b of the keys for the rows that see any of it.
  void see(const key_values& kv, std::size_t b, std::size_t head, std::span<const std::size_t> last,
           const attention_shape& shape, std::size_t shared, std::size_t rows) {
    const std::size_t begin = b * key_block, end = begin + key_block;
    const auto sees = [&](std::size_t row) {
      const std::size_t t = last[row / shared], first = shape.first_key(t);
      return seen_keys{std::clamp(first, begin, end) - begin, std::clamp(t + 1, begin, end) - begin,
                       static_cast<float>(shape.cap)};
    };
    // The last keys ascend, and so do the first ones.
    std::size_t from = 0, to = rows;
    while (sees(from).end == 0) from += shared;
    while (sees(to - 1).first == key_block) to -= shared;
    if (from >= to) return;

    const element* const keys = kv.keys<Unit>(b, head);
    const std::size_t panels = (sees(to - 1).end + layout::width - 1) / layout::width;
    for (std::size_t p = 0; p < panels; ++p)
      Unit::template multiply_steps<2>(
          {queries_.data() + from * key_steps_, key_steps_}, to - from, keys + p * key_steps_ * layout::width,
          key_steps_, {scores_.data() + from * key_block + p * layout::width, key_block}, layout::width, false);
    for (std::size_t row = from; row < to; ++row) {
      const float scale = softmax::add(scores_.data() + row * key_block, weights() + row * layout::value_steps,
                                       sees(row), softmax_[row]);
      if (scale != 1)
        for (std::size_t i = 0; i < values_width_; ++i) sums_[row * values_width_ + i] *= scale;
      if (!block_scores_.empty() && softmax_[row].of_block > 0)
        block_scores_[b] += static_cast<std::int64_t>(std::min(softmax_[row].of_block, 1e6f) * score_unit);
    }
    const element* const values = kv.values<Unit>(b, head);
    if (!kv.has_infinite(b)) return add_values(from, to, values);
    for (std::size_t row = from; row < to; ++row) {
      const seen_keys seen = sees(row);
      add_values(row, row + 1, without_hidden(values, seen));
    }
  }

  void add_values(std::size_t from, std::size_t to, const element* values) {
    for (std::size_t p = 0; p * layout::width < values_width_; ++p)
      Unit::template multiply_steps<2>({weights() + from * layout::value_steps, layout::value_steps}, to - from,
                                       values + p * layout::value_steps * layout::width, layout::value_steps,
                                       {sums_.data() + from * values_width_ + p * layout::width, values_width_},
                                       layout::width, true);
  }

  /// A copy of the values with zeros for keys that are not seen.
  const element* without_hidden(const element* values, const seen_keys& seen) {
    const std::size_t step = layout::width, panel = layout::value_steps * step, size = values_width_ / step * panel;
    seen_.assign(values, values + size);
    for (std::size_t key = 0; key < key_block; ++key) {
      if (key >= seen.first && key < seen.end) continue;
      for (std::size_t at = key / Unit::inputs * step; at < size; at += panel)
        for (std::size_t c = 0; c < step; ++c)
          if constexpr (Unit::inputs == 1)
            seen_[at + c] = 0;
          else
            seen_[at + c] &= key % 2 == 0 ? 0xffff0000u : 0xffffu;
    }
    return seen_.data();
  }

  std::size_t key_steps_ = 0, values_width_ = 0;
  std::span<std::int64_t> block_scores_;
  buffer<element> queries_, weights_, seen_;
  buffer<float> scores_, sums_;
  std::vector<float> scaled_;
  std::vector<running_softmax> softmax_;
};

}  // namespace kernel

/// q (rows, heads·d) on keys and values -> y (rows, heads·d): the same as attention_reference. The last keys must be in
/// ascending order: blocks of keys that no row sees are skipped.
///
/// Keys and values of f32 are computed in float. With u = 2⁻²⁴ and S = max_j scale·Σᵢ|qᵢk_ji|,
///
///     |error| ≤ u·(2(d + 5)·S + 3·keys + 22)·max|v|
///
/// This counts the roundings of the scores, the sums over the keys, and the rescaling of the sums at each block. Keys
/// and values in bfloat16 also round q, k, v and the weights, each by 2⁻⁹ at most:
///
///     |error| ≤ (e^(2δ)·(1 + 2⁻⁷) − 1)·max|v| + that,    δ = 2⁻⁸·S + 2⁻¹⁷
///
/// A cap adds 8u·cap·max|v|. The size of the scratch memory does not depend on the number of keys.
///
/// If block_scores is not empty, element b of it is increased by Σ max(0, maxⱼ s_ij) over rows i and heads, where j
/// goes over the keys of block b (64 keys) that row i sees: what block b is worth to these rows (Wang et al. 2025,
/// arXiv:2501.09767). It is counted in units of 1/score_unit, as whole numbers, whose sum depends on no order.
template <class Arch = simd::arch>
void attention(rows_of<const float> q, const key_values& kv, std::span<const std::size_t> last,
               const attention_shape& s, rows_of<float> y, std::span<std::int64_t> block_scores = {}) {
  kernel::with_unit<Arch>(kv.type(), [&]<class Unit>(Unit) {
    [[maybe_unused]] const typename Unit::session use;
    static thread_local kernel::attention_rows<Unit> rows;
    const std::size_t shared = s.heads / s.kv_heads * s.head_dim, most = rows.positions(s);
    for (std::size_t h = 0; h < s.kv_heads; ++h)
      for (std::size_t row = 0; row < last.size(); row += most)
        rows.run(q.at(row, h * shared), kv, h, last.subspan(row, std::min(most, last.size() - row)), s,
                 y.at(row, h * shared), block_scores);
  });
}

}  // namespace zoft::inline ZOFT_ISA::nn
