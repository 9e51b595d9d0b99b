/// The forward of a model for several sequences in G groups.
#pragma once

#include <algorithm>
#include <cmath>
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
#include "../layer/norm.hpp"
#include "../layer/rotary.hpp"
#include "additions.hpp"
#include "workspace.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The forward of a decoder, whole or in parts.
template <class Arch = simd::arch>
class decoder {
 public:
  decoder(const config& shape, const weights& w, const model_angles& angles,
          const end_additions& ends = none_at_the_ends())
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

  /// The two halves of block b, a version of the model's block `layer`. attend() takes s.stream (1, rows, dim) of all
  /// tokens of the sequences and leaves the stream of the wanted tokens, and in a parallel block s.beside. transform()
  /// continues with both.
  void attend(const block& b, std::size_t layer, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
              workspace& s) const {
    place(ends, s, 0);
    s.kept.assign(wanted.begin(), wanted.end());
    attend(b, layer, {}, ends, {}, s, nullptr);
  }
  void transform(const block& b, workspace& s) const {
    s.groups = 1;
    transform(b, {}, s.stream.size() / c_.dim, {}, s);
  }

  /// x (rows, dim) ← norm(x), unless there is no such norm.
  void apply_norm(const norm& n, std::span<float> x) const {
    if (!n.empty()) normalise<Arch>(c_.norm, n.gain, n.bias, c_.norm_epsilon, x, x);
  }

  /// x (rows, dim) ← head_norm(activation(head_dense(x))), unless the model has no such transform; then x (rows,
  /// row_dim) ← project_out(x), likewise.
  void transform_for_head(const linear& dense, const norm& n, const linear& project, std::vector<float>& x,
                          std::vector<float>& scratch) const {
    const std::size_t rows = x.size() / c_.dim;
    if (dense.weight.out() > 0) {
      nn::apply<Arch>(dense, {}, x, 1, rows, {0, 1}, scratch);
      activate<Arch>(c_.act, scratch, scratch);
      apply_norm(n, scratch);
      x.swap(scratch);
    }
    if (project.weight.out() > 0) {
      nn::apply<Arch>(project, {}, x, 1, rows, {0, 1}, scratch);
      x.swap(scratch);
    }
  }

  /// A token's row of the embedding -> its row of the stream before the first block, but for the norm there. Learned
  /// positions and token types are rows of their own, and every token's type is 0.
  void finish_embedding(const packed_matrix& positions, const packed_matrix& types, std::size_t position,
                        std::span<float> row, std::vector<float>& scratch) const {
    scale<Arch>(row, static_cast<float>(c_.embedding_scale));
    scratch.resize(c_.dim);
    const auto add_row = [&](const packed_matrix& m, std::size_t index) {
      if (m.out() == 0) return;
      m.row(index, scratch);
      add<Arch>(row, scratch);
    };
    add_row(types, 0);
    add_row(positions, c_.first_position + position);
  }

  /// Products of the head -> logits (rows, n) of tokens [first, first + n), in place.
  void finish_logits(std::span<float> x, std::span<const float> bias, std::size_t n, std::size_t first) const {
    if (!bias.empty())
      for (std::size_t at = 0; at < x.size(); at += n) add<Arch>(x.subspan(at, n), bias.subspan(first, n));
    scale<Arch>(x, static_cast<float>(c_.logit_scale));
    soft_cap<Arch>(x, static_cast<float>(c_.logit_cap));
  }

  /// Logits of the stream: s.stream (1, rows, dim) -> s.logits (rows, vocabulary)
  void logits(workspace& s) const {
    final_rows({0, 1}, s);
    const packed_matrix& w = w_.output();
    nn::apply<Arch>(w, {}, ends_.head, {0, w.panels()}, s.normed, 1, s.normed.size() / w.in(), {0, 1}, s.logits);
    finish_logits(s.logits, w_.head_bias, w.out(), 0);
  }

  /// The stream after the final norm -> s.normed (groups, rows, dim), and then tanh(pooler(x)) if `through_pooler`.
  /// Returns the number of groups.
  std::size_t pool(bool through_pooler, group_range g, workspace& s) const {
    const std::size_t groups = read_norm(w_.final_norm, ends_.final_norm, g, s);
    if (!through_pooler) return groups;
    nn::apply<Arch>(w_.pooler, {}, s.normed, groups, s.normed.size() / groups / c_.dim, {0, groups}, s.branch);
    std::transform(s.branch.begin(), s.branch.end(), s.normed.begin(), [](float x) { return std::tanh(x); });
    return groups;
  }

  /// The score of each row of the stream: (s.groups, labels), or (g.count, labels) if the groups first differ after the
  /// stream. The logits are computed one block of the vocabulary at a time and never exist as a whole.
  std::vector<token_score> scores(std::span<const std::int32_t> labels, workspace& s, group_range g = {}) const {
    const std::size_t normed = final_rows(g, s);
    const packed_matrix& w = w_.output();
    const std::size_t rows = labels.size(), panels = 1024 / w.width();
    std::vector<running_cross_entropy> running;
    for (std::size_t p = 0; p < w.panels(); p += panels) {
      const panel_range range{p, std::min(panels, w.panels() - p)};
      const std::size_t groups = nn::apply<Arch>(w, {}, ends_.head, range, s.normed, normed, rows, g, s.logits);
      for (std::size_t row = running.size(); row < groups * rows; ++row)
        running.emplace_back(static_cast<std::size_t>(labels[row % rows]));
      const std::size_t columns = s.logits.size() / running.size();
      finish_logits(s.logits, w_.head_bias, columns, p * w.width());
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

  /// The input of the head -> s.normed. Returns the number of groups.
  std::size_t final_rows(group_range g, workspace& s) const {
    const std::size_t groups = read_norm(w_.final_norm, ends_.final_norm, g, s);
    transform_for_head(w_.head_dense, w_.head_norm, w_.project_out, s.normed, s.branch);
    return groups;
  }

  /// Prepares a stream of one group and all tokens. Each sequence begins at position `first`.
  void place(std::span<const std::size_t> ends, workspace& s, std::size_t first) const {
    const std::size_t rows = ends.back();
    s.groups = 1;
    s.positions.resize(rows);
    s.lengths.resize(rows);
    for (std::size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++])
      for (std::size_t row = begin; row < ends[i]; ++row) {
        s.positions[row] = first + row - begin;
        s.lengths[row] = first + ends[i] - begin;
      }
    s.kept.resize(rows);
    std::iota(s.kept.begin(), s.kept.end(), std::size_t{0});
  }

  /// tokens -> the stream, in g.count groups if these have their own embedding rows, else in 1.
  void embed(std::span<const std::int32_t> tokens, group_range g, workspace& s) const {
    const std::size_t rows = tokens.size();
    s.groups = ends_.embedding.empty() && ends_.embedding_norm.empty() ? 1 : g.count;
    const std::size_t width = w_.embedding.in();
    s.stream.resize(s.groups * rows * width);
    const auto row = [&](std::size_t group, std::size_t t, std::size_t size) {
      return std::span(s.stream).subspan((group * rows + t) * size, size);
    };
    for (std::size_t t = 0; t < rows; ++t) {
      const auto token = static_cast<std::size_t>(tokens[t]);
      w_.embedding.row(token, row(0, t, width));
      for (std::size_t i = 1; i < s.groups; ++i) std::copy_n(row(0, t, width).data(), width, row(i, t, width).data());
      for (std::size_t i = 0; i < s.groups && !ends_.embedding.empty(); ++i)
        ends_.embedding.add(g.first + i, token, row(i, t, width));
    }
    if (w_.project_in.weight.out() > 0) {
      nn::apply<Arch>(w_.project_in, {}, s.stream, s.groups, rows, {0, 1}, s.branch);
      s.stream.swap(s.branch);
    }
    for (std::size_t i = 0; i < s.groups; ++i)
      for (std::size_t t = 0; t < rows; ++t)
        finish_embedding(w_.positions, w_.token_types, s.positions[t], row(i, t, c_.dim), s.scratch);
    if (w_.embedding_norm.empty()) return;
    for (std::size_t i = 0; i < s.groups; ++i)
      normalise<Arch>(c_.norm, gain_of(w_.embedding_norm, ends_.embedding_norm, g.first + i), w_.embedding_norm.bias,
                      c_.norm_epsilon, std::span(s.stream).subspan(i * rows * c_.dim, rows * c_.dim),
                      std::span(s.stream).subspan(i * rows * c_.dim, rows * c_.dim));
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
    const std::size_t normed = read_norm(b.attention_norm, extra.attention_norm, g, s), rows = ends.back();
    const std::size_t projected = nn::apply<Arch>(b.qkv, extra.qkv, s.normed, normed, rows, g, s.projected);
    const std::size_t stride = query_width() + 2 * key_width(), kept = s.kept.size();
    for (std::size_t row = 0; row < projected * rows; ++row)
      prepare_heads(b, layer, row % rows, std::span(s.projected).subspan(row * stride, stride), s);

    rows_of<const float> queries{s.projected.data(), stride};
    if (kept < rows) {
      s.queries.resize(projected * kept * query_width());
      gather(s.projected.data(), projected, rows, stride, s.kept, query_width(), s.queries.data());
      queries = {s.queries.data(), query_width()};
    }
    gather(s.stream.data(), s.groups, rows, c_.dim, s.kept, c_.dim, s.stream.data());
    s.stream.resize(s.groups * kept * c_.dim);
    s.last_keys.clear();
    for (const std::size_t t : s.kept) s.last_keys.push_back(c_.causal ? s.positions[t] : s.lengths[t] - 1);

    const bool prefixed = past == nullptr && extra.prefix.length > 0;
    const std::size_t groups = prefixed ? g.count : projected;
    s.attended.resize(groups * kept * query_width());
    const rows_of<float> attended{s.attended.data(), query_width()};
    const layer_config own = c_.layer(layer);
    attention_shape shape{c_.heads, c_.kv_heads, c_.head_dim, c_.attention_scale, c_.attention_cap, own.window};
    if (own.score_scale != 1)
      shape.scale = own.score_scale *
                    (c_.attention_scale == 0 ? 1 / std::sqrt(static_cast<double>(c_.head_dim)) : c_.attention_scale);
    for (std::size_t i = 0; i < groups; ++i) {
      const std::size_t from = projected == 1 ? 0 : i;  // groups that differ only in their prefix share queries
      std::size_t begin = 0, done = 0;
      for (const std::size_t end : ends) {
        const float* key = s.projected.data() + (from * rows + begin) * stride + query_width();
        key_values& keys = past != nullptr ? past->blocks[layer] : s.keys;
        if (past == nullptr) {
          keys.reshape(c_.kv_heads, c_.head_dim, key_type(b.qkv.weight.type(), extra.prefix.length));
          put_prefix(extra.prefix, g.first + i, keys);
        }
        const std::size_t first = keys.size();
        keys.resize(first + end - begin);
        keys.write(first, {key, stride}, {key + key_width(), stride}, end - begin);
        std::size_t n = 0;
        while (done + n < kept && s.kept[done + n] < end) ++n;
        attention<Arch>(queries.at(from * kept + done), keys,
                        std::span<const std::size_t>(s.last_keys).subspan(done, n), shape,
                        attended.at(i * kept + done));
        done += n;
        begin = end;
      }
    }
    const std::size_t added = nn::apply<Arch>(b.output, extra.output, s.attended, groups, kept, g, s.branch);
    if (c_.parallel) {
      s.beside.swap(s.branch);
      return;
    }
    join(b.attention_added_norm, extra.attention_added_norm, added, kept, g, s.branch, s);
    norm_stream(b.attention_stream_norm, extra.attention_stream_norm, kept, g, s);
  }

  /// What becomes of a token's row of q, k and v before attention: norms of heads, and the rotation.
  void prepare_heads(const block& b, std::size_t layer, std::size_t token, std::span<float> row, workspace& s) const {
    const std::size_t d = c_.head_dim;
    if (c_.fused == fused_rows::by_head) {
      s.scratch.assign(row.begin(), row.end());
      for (std::size_t head = 0; head < c_.heads; ++head)
        for (std::size_t part = 0; part < 3; ++part)
          std::copy_n(s.scratch.data() + (3 * head + part) * d, d, row.data() + (part * c_.heads + head) * d);
    }
    const std::span<float> query = row.first(query_width()), key = row.subspan(query_width(), key_width());
    norm_heads(b.query_norm, query);
    norm_heads(b.key_norm, key);
    if (const rotary* angles = angles_.of(layer, s.lengths[token]))
      angles->rotate(row.data(), s.positions[token], c_.heads + c_.kv_heads, d);
  }

  /// x (heads·head_dim) ← norm(x): with gains of each head's own, of all heads alike, or of all heads together.
  void norm_heads(const norm& n, std::span<float> x) const {
    if (n.empty()) return;
    const bool own = c_.query_key_norm == head_norm::own;
    const std::size_t width = own ? c_.head_dim : x.size();
    for (std::size_t at = 0; at < x.size(); at += width) {
      const std::span<float> part = x.subspan(at, width);
      const std::size_t gain = own ? at : 0, gains = own ? width : n.gain.size();
      normalise<Arch>(c_.norm, std::span(n.gain).subspan(gain, gains),
                      std::span(n.bias).subspan(n.bias.empty() ? 0 : gain, n.bias.empty() ? 0 : gains), c_.norm_epsilon,
                      part, part);
    }
  }

  void transform(const block& b, const block_additions& extra, std::size_t rows, group_range g, workspace& s) const {
    const std::size_t normed = c_.shared_norm ? read_norm(b.attention_norm, extra.attention_norm, g, s)
                                              : read_norm(b.mlp_norm, extra.mlp_norm, g, s);
    if (c_.parallel)
      join(b.attention_added_norm, extra.attention_added_norm, s.beside.size() / (rows * c_.dim), rows, g, s.beside, s);
    const std::size_t groups = nn::apply<Arch>(b.gate_up, extra.gate_up, s.normed, normed, rows, g, s.projected);
    s.gated.resize(groups * rows * c_.hidden);
    if (c_.gated())
      for (std::size_t row = 0; row < groups * rows; ++row) {
        const auto both = std::span<const float>(s.projected).subspan(row * 2 * c_.hidden, 2 * c_.hidden);
        const std::span<float> y = std::span(s.gated).subspan(row * c_.hidden, c_.hidden);
        if (c_.act == activation::silu) {
          swiglu<Arch>(both.first(c_.hidden), both.last(c_.hidden), y);
        } else {
          activate<Arch>(c_.act, both.first(c_.hidden), y);
          multiply<Arch>(y, both.last(c_.hidden));
        }
      }
    else
      activate<Arch>(c_.act, s.projected, s.gated);
    const std::size_t added = nn::apply<Arch>(b.down, extra.down, s.gated, groups, rows, g, s.branch);
    join(b.mlp_added_norm, extra.mlp_added_norm, added, rows, g, s.branch, s);
    norm_stream(b.mlp_stream_norm, extra.mlp_stream_norm, rows, g, s);
  }

  static std::span<const float> gain_of(const norm& n, const group_gains& own, std::size_t group) {
    return own.empty() ? std::span<const float>(n.gain) : own.of(group);
  }

  /// The stream -> s.normed (groups, rows, dim), a copy if there is no norm. Returns the number of groups: g.count if
  /// these have their own gains, else s.groups.
  std::size_t read_norm(const norm& n, const group_gains& own, group_range g, workspace& s) const {
    if (n.empty()) {
      s.normed = s.stream;
      return s.groups;
    }
    const std::size_t groups = own.empty() ? s.groups : g.count, size = s.stream.size() / s.groups;
    s.normed.resize(groups * size);
    for (std::size_t i = 0; i < groups; ++i)
      normalise<Arch>(c_.norm, gain_of(n, own, g.first + i), n.bias, c_.norm_epsilon,
                      std::span<const float>(s.stream).subspan(s.groups == 1 ? 0 : i * size, size),
                      std::span(s.normed).subspan(i * size, size));
    return groups;
  }

  /// x (groups, rows, dim) ← norm(x) in place, in as many groups as have gains of their own. Returns how many.
  std::size_t norm_in_place(const norm& n, const group_gains& own, std::size_t groups, std::size_t rows, group_range g,
                            std::vector<float>& x) const {
    if (n.empty()) return groups;
    const std::size_t size = rows * c_.dim, result = spread(groups, own.empty() ? 1 : g.count, size, x);
    for (std::size_t i = 0; i < result; ++i) {
      const std::span<float> one = std::span(x).subspan(i * size, size);
      normalise<Arch>(c_.norm, gain_of(n, own, g.first + i), n.bias, c_.norm_epsilon, one, one);
    }
    return result;
  }

  void norm_stream(const norm& n, const group_gains& own, std::size_t rows, group_range g, workspace& s) const {
    s.groups = norm_in_place(n, own, s.groups, rows, g, s.stream);
  }

  /// stream += residual_scale·norm(branch), if there is such a norm. If one of the two has fewer groups than the other,
  /// it is first copied to as many.
  void join(const norm& n, const group_gains& own, std::size_t groups, std::size_t rows, group_range g,
            std::vector<float>& branch, workspace& s) const {
    groups = norm_in_place(n, own, groups, rows, g, branch);
    scale<Arch>(branch, static_cast<float>(c_.residual_scale));
    groups = spread(groups, s.groups, rows * c_.dim, branch);
    s.groups = spread(s.groups, groups, rows * c_.dim, s.stream);
    add<Arch>(s.stream, branch);
  }

  static const end_additions& none_at_the_ends() {
    static const end_additions none;
    return none;
  }

  const config& c_;
  const weights& w_;
  const model_angles& angles_;
  const end_additions& ends_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
