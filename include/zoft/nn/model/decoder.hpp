/// The decoder: the memory that a forward works in, and the forward of several sequences in G groups.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <span>
#include <vector>

#include "../../core/model_config.hpp"
#include "../layer/attention.hpp"
#include "../layer/cross_entropy.hpp"
#include "../layer/elementwise.hpp"
#include "additions.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Keys and values of the tokens so far, for each block: (positions, kv_heads·head_dim), rotated. A prefix counts as
/// such tokens, so a cache must begin with it.
struct cache {
  std::vector<std::vector<float>> keys, values;
  std::size_t length = 0;
};

/// The memory that one thread's forwards work in. It grows as needed.
struct workspace {
  std::vector<float> stream;    ///< the residual stream x, (groups, rows, dim)
  std::size_t groups = 1;       ///< groups of the stream: 1 until the first addition, all of them afterwards
  std::vector<float> entering;  ///< a stream assembled from cached and new parts, (rows, dim)
  std::vector<float> normed, projected, queries, attended, gated, branch, scratch, logits;
  std::vector<float> keys, values;                ///< a prefix, followed by one sequence's own
  std::vector<std::size_t> positions;             ///< each token's position in its sequence
  std::vector<std::size_t> kept, kept_positions;  ///< tokens that a block computes in full, and their positions
};

/// The forward of a decoder, whole or in parts.
template <class Arch = simd::arch>
class decoder {
 public:
  decoder(const config& shape, const weights& w, const rotary& angles, const end_additions& ends = none_at_the_ends())
      : c_(shape), w_(w), angles_(angles), ends_(ends) {}

  /// tokens -> s.stream (s.groups, wanted, dim), before the final norm. The tokens are those of several sequences,
  /// concatenated, each of which ends where `ends` says. `wanted` holds the indices of the tokens whose stream is
  /// returned, in ascending order. In the last block, whatever depends on one token alone is computed only for these:
  /// the numbers are the same. Each sequence begins at position 0, or after the prefix. Either all blocks have a
  /// prefix, of the same length, or none has.
  void run(std::span<const std::int32_t> tokens, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
           std::span<const block_additions> additions, group_range g, workspace& s) const {
    run(tokens, ends, wanted, additions, g, s, nullptr);
  }

  /// The same for one sequence. With a cache, the tokens attend to those in the cache, but to no other prefix, and are
  /// appended to it.
  void run(std::span<const std::int32_t> tokens, std::span<const std::size_t> wanted,
           std::span<const block_additions> additions, group_range g, workspace& s, cache* past = nullptr) const {
    const std::size_t end[] = {tokens.size()};
    run(tokens, end, wanted, additions, g, s, past);
  }

  /// tokens -> s.stream (1, tokens, dim), the input of block `layer` for all tokens. No lower block may be adapted: the
  /// result depends only on the tokens and the weights.
  void run_below(std::size_t layer, std::span<const std::int32_t> tokens, std::span<const std::size_t> ends,
                 workspace& s) const {
    place(ends, s, 0);
    embed(tokens, {}, s);
    run_blocks(0, layer, ends, {}, {}, {}, s, nullptr);
  }

  /// The rest of run(), from block `layer` on. s.stream (1, tokens, dim) must hold what run_below() made, now or
  /// earlier.
  void run_from(std::size_t layer, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
                std::span<const block_additions> additions, group_range g, workspace& s) const {
    place(ends, s, prefix_length(additions));
    run_blocks(layer, w_.blocks.size(), ends, wanted, additions, g, s, nullptr);
  }

  /// The two halves of block b, which need not be one of the decoder's. attend() takes s.stream (1, rows, dim) of all
  /// tokens of the sequences and leaves the stream of the wanted tokens. transform() continues with that stream.
  void attend(const block& b, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
              workspace& s) const {
    place(ends, s, 0);
    s.kept.assign(wanted.begin(), wanted.end());
    attend(b, 0, {}, ends, {}, s, nullptr);
  }
  void transform(const block& b, workspace& s) const {
    s.groups = 1;
    transform(b, {}, s.stream.size() / c_.dim, {}, s);
  }

  /// x (rows, dim) ← norm(x)
  void norm(std::span<const float> gain, std::span<float> x) const {
    for (std::size_t at = 0; at < x.size(); at += c_.dim)
      rms_norm<Arch>(x.subspan(at, c_.dim), gain, c_.norm_epsilon, x.subspan(at, c_.dim));
  }

  /// Logits norm(x)·Eᵀ of the stream: s.stream (1, rows, dim) -> s.logits (rows, vocabulary)
  void logits(workspace& s) const {
    norm(w_.final_norm, ends_.final_norm, {0, 1}, s);
    const packed_matrix& w = w_.output();
    apply<Arch>(w, {}, ends_.head, {0, w.panels()}, s.normed, 1, s.normed.size() / c_.dim, {0, 1}, s.logits);
  }

  /// The score of each row of the stream: (s.groups, labels), or (g.count, labels) if the groups first differ after the
  /// stream. The logits are computed one block of the vocabulary at a time and never exist as a whole.
  std::vector<token_score> scores(std::span<const std::int32_t> labels, workspace& s, group_range g = {}) const {
    const std::size_t normed = norm(w_.final_norm, ends_.final_norm, g, s);
    const packed_matrix& w = w_.output();
    const std::size_t rows = labels.size(), panels = 1024 / w.width();
    std::vector<running_cross_entropy> running;
    for (std::size_t p = 0; p < w.panels(); p += panels) {
      const panel_range range{p, std::min(panels, w.panels() - p)};
      const std::size_t groups = apply<Arch>(w, {}, ends_.head, range, s.normed, normed, rows, g, s.logits);
      for (std::size_t row = running.size(); row < groups * rows; ++row)
        running.emplace_back(static_cast<std::size_t>(labels[row % rows]));
      const std::size_t columns = s.logits.size() / running.size();
      for (std::size_t row = 0; row < running.size(); ++row)
        running[row].template add<Arch>({s.logits.data() + row * columns, columns}, p * w.width());
    }
    std::vector<token_score> result;
    for (const running_cross_entropy& r : running) result.push_back(r.result());
    return result;
  }

 private:
  std::size_t query_width() const { return c_.heads * c_.head_dim; }
  std::size_t key_width() const { return c_.kv_heads * c_.head_dim; }

  void run(std::span<const std::int32_t> tokens, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
           std::span<const block_additions> additions, group_range g, workspace& s, cache* past) const {
    place(ends, s, past == nullptr ? prefix_length(additions) : past->length);
    embed(tokens, g, s);
    run_blocks(0, w_.blocks.size(), ends, wanted, additions, g, s, past);
    if (past != nullptr) past->length += tokens.size();
  }

  static std::size_t prefix_length(std::span<const block_additions> additions) {
    return additions.empty() ? 0 : additions[0].prefix.length;
  }

  /// Prepares a stream of one group and all tokens. Each sequence begins at position `first`.
  void place(std::span<const std::size_t> ends, workspace& s, std::size_t first) const {
    const std::size_t rows = ends.back();
    s.groups = 1;
    s.positions.resize(rows);
    for (std::size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++])
      std::iota(s.positions.begin() + static_cast<std::ptrdiff_t>(begin),
                s.positions.begin() + static_cast<std::ptrdiff_t>(ends[i]), first);
    s.kept.resize(rows);
    std::iota(s.kept.begin(), s.kept.end(), std::size_t{0});
  }

  /// tokens -> the stream, in g.count groups if these have their own embedding rows, else in 1.
  void embed(std::span<const std::int32_t> tokens, group_range g, workspace& s) const {
    const std::size_t rows = tokens.size();
    s.groups = ends_.embedding.empty() ? 1 : g.count;
    s.stream.resize(s.groups * rows * c_.dim);
    const auto row = [&](std::size_t group, std::size_t t) {
      return std::span(s.stream).subspan((group * rows + t) * c_.dim, c_.dim);
    };
    for (std::size_t t = 0; t < rows; ++t) {
      const auto token = static_cast<std::size_t>(tokens[t]);
      w_.embedding.row(token, row(0, t));
      for (std::size_t i = 1; i < s.groups; ++i) std::copy_n(row(0, t).data(), c_.dim, row(i, t).data());
      for (std::size_t i = 0; i < s.groups && !ends_.embedding.empty(); ++i)
        ends_.embedding.add(g.first + i, token, row(i, t));
    }
  }

  /// Runs blocks [first, end).
  void run_blocks(std::size_t first, std::size_t end, std::span<const std::size_t> ends,
                  std::span<const std::size_t> wanted, std::span<const block_additions> additions, group_range g,
                  workspace& s, cache* past) const {
    static const block_additions none;
    for (std::size_t layer = first; layer < end; ++layer) {
      const block_additions& extra = additions.empty() ? none : additions[layer];
      if (layer + 1 == w_.blocks.size()) s.kept.assign(wanted.begin(), wanted.end());
      attend(w_.blocks[layer], layer, extra, ends, g, s, past);
      transform(w_.blocks[layer], extra, s.kept.size(), g, s);
    }
  }

  /// The first half of block b. Drops the tokens that are not in s.kept from the stream.
  void attend(const block& b, std::size_t layer, const block_additions& extra, std::span<const std::size_t> ends,
              group_range g, workspace& s, cache* past) const {
    const std::size_t normed = norm(b.attention_norm, extra.attention_norm, g, s), rows = ends.back();
    const std::size_t projected = apply<Arch>(b.qkv, extra.qkv, s.normed, normed, rows, g, s.projected);
    const std::size_t stride = query_width() + 2 * key_width(), kept = s.kept.size();
    for (std::size_t row = 0; row < projected * rows; ++row)
      for (std::size_t head = 0; head < c_.heads + c_.kv_heads; ++head)
        angles_.rotate(&s.projected[row * stride + head * c_.head_dim], s.positions[row % rows]);

    rows_of<const float> queries{s.projected.data(), stride};
    if (kept < rows) {
      s.queries.resize(projected * kept * query_width());
      gather(s.projected.data(), projected, rows, stride, s.kept, query_width(), s.queries.data());
      queries = {s.queries.data(), query_width()};
    }
    gather(s.stream.data(), s.groups, rows, c_.dim, s.kept, c_.dim, s.stream.data());
    s.stream.resize(s.groups * kept * c_.dim);
    s.kept_positions.clear();
    for (const std::size_t t : s.kept) s.kept_positions.push_back(s.positions[t]);

    const bool prefixed = past == nullptr && extra.prefix.length > 0;
    const std::size_t groups = prefixed ? g.count : projected;
    s.attended.resize(groups * kept * query_width());
    const rows_of<float> attended{s.attended.data(), query_width()};
    const attention_shape shape{c_.heads, c_.kv_heads, c_.head_dim};
    for (std::size_t i = 0; i < groups; ++i) {
      const std::size_t from = projected == 1 ? 0 : i;  // groups that differ only in their prefix share queries
      std::size_t begin = 0, done = 0;
      for (const std::size_t end : ends) {
        const float* key = s.projected.data() + (from * rows + begin) * stride + query_width();
        rows_of<const float> k{key, stride}, v{key + key_width(), stride};
        if (past != nullptr) {
          k = behind(past->keys[layer], k, rows);
          v = behind(past->values[layer], v, rows);
        } else if (prefixed) {
          const std::size_t size = extra.prefix.length * key_width();
          s.keys.assign(extra.prefix.keys_of(g.first + i), extra.prefix.keys_of(g.first + i) + size);
          s.values.assign(extra.prefix.values_of(g.first + i), extra.prefix.values_of(g.first + i) + size);
          k = behind(s.keys, k, end - begin);
          v = behind(s.values, v, end - begin);
        }
        std::size_t n = 0;
        while (done + n < kept && s.kept[done + n] < end) ++n;
        attention<Arch>(queries.at(from * kept + done), k, v,
                        std::span<const std::size_t>(s.kept_positions).subspan(done, n), shape,
                        attended.at(i * kept + done), s.scratch);
        done += n;
        begin = end;
      }
    }
    join(apply<Arch>(b.output, extra.output, s.attended, groups, kept, g, s.branch), kept, s);
  }

  /// Copies the first `width` columns of the rows `which` of each group: from (groups, rows, stride) -> to (groups,
  /// which, width). `to` may equal `from`.
  static void gather(const float* from, std::size_t groups, std::size_t rows, std::size_t stride,
                     std::span<const std::size_t> which, std::size_t width, float* to) {
    for (std::size_t i = 0; i < groups; ++i)
      for (const std::size_t row : which) {
        const float* const at = from + (i * rows + row) * stride;
        if (to != at) std::copy_n(at, width, to);
        to += width;
      }
  }

  void transform(const block& b, const block_additions& extra, std::size_t rows, group_range g, workspace& s) const {
    const std::size_t normed = norm(b.mlp_norm, extra.mlp_norm, g, s);
    const std::size_t groups = apply<Arch>(b.gate_up, extra.gate_up, s.normed, normed, rows, g, s.projected);
    s.gated.resize(groups * rows * c_.hidden);
    for (std::size_t row = 0; row < groups * rows; ++row) {
      const std::span<const float> both =
          std::span<const float>(s.projected).subspan(row * 2 * c_.hidden, 2 * c_.hidden);
      swiglu<Arch>(both.first(c_.hidden), both.last(c_.hidden), std::span(s.gated).subspan(row * c_.hidden, c_.hidden));
    }
    join(apply<Arch>(b.down, extra.down, s.gated, groups, rows, g, s.branch), rows, s);
  }

  /// The stream -> s.normed (groups, rows, dim). Returns the number of groups: g.count if these have their own gains,
  /// else s.groups.
  std::size_t norm(std::span<const float> gain, const group_gains& own, group_range g, workspace& s) const {
    const std::size_t groups = own.empty() ? s.groups : g.count, size = s.stream.size() / s.groups;
    s.normed.resize(groups * size);
    for (std::size_t i = 0; i < groups; ++i) {
      const std::span<const float> x = std::span<const float>(s.stream).subspan(s.groups == 1 ? 0 : i * size, size);
      for (std::size_t at = 0; at < size; at += c_.dim)
        rms_norm<Arch>(x.subspan(at, c_.dim), own.empty() ? gain : own.of(g.first + i), c_.norm_epsilon,
                       std::span(s.normed).subspan(i * size + at, c_.dim));
    }
    return groups;
  }

  /// Appends the rows' keys or values to `before` and returns all of them.
  rows_of<const float> behind(std::vector<float>& before, rows_of<const float> own, std::size_t rows) const {
    for (std::size_t row = 0; row < rows; ++row)
      before.insert(before.end(), own.data + row * own.stride, own.data + row * own.stride + key_width());
    return {before.data(), key_width()};
  }

  /// stream += branch. A stream with fewer groups than the branch is first copied to as many.
  void join(std::size_t groups, std::size_t rows, workspace& s) const {
    if (groups > s.groups) {
      const std::size_t one = rows * c_.dim;
      s.stream.resize(groups * one);
      for (std::size_t i = 1; i < groups; ++i) std::copy_n(s.stream.data(), one, s.stream.data() + i * one);
      s.groups = groups;
    }
    add<Arch>(s.stream, s.branch);
  }

  static const end_additions& none_at_the_ends() {
    static const end_additions none;
    return none;
  }

  const config& c_;
  const weights& w_;
  const rotary& angles_;
  const end_additions& ends_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
