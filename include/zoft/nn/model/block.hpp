/// The forward of one block.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "../../core/model_config.hpp"
#include "../layer/attention.hpp"
#include "../layer/elementwise.hpp"
#include "../layer/norm.hpp"
#include "../layer/rotary.hpp"
#include "additions.hpp"
#include "workspace.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Runs blocks of a model of the shape c. A workspace holds the stream of some rows; they are all tokens of some
/// sequences, or a part of one.
template <class Arch = simd::arch>
class block_runner {
 public:
  block_runner(const config& c, const model_angles& angles) : c_(c), angles_(angles) {}

  /// Queries, keys and values of the stream's rows -> s.projected, rotated. With `only_keys`, no queries where those
  /// can be left out.
  void project(const block& b, std::size_t layer, const block_additions& extra, group_range g, workspace& s,
               bool only_keys = false) const {
    const packed_matrix& w = b.qkv.weight;
    const bool leave_out = only_keys && c_.fused != fused_rows::by_head && query_width() % w.width() == 0;
    const std::size_t first = leave_out ? query_width() / w.width() : 0, rows = s.positions.size();
    const std::size_t normed = read_norm(b.attention_norm, extra.attention_norm, g, s);
    projected_rows& to = s.heads;
    to.groups =
        nn::apply<Arch>(w, b.qkv.bias, extra.qkv, {first, w.panels() - first}, s.normed, normed, rows, g, s.projected);
    to.queries = leave_out ? 0 : query_width();
    to.stride = to.queries + 2 * key_width();
    if (s.shown != nullptr) {
      // Queries may have been computed even if only keys are wanted. They are not shown then on any machine.
      const std::size_t skipped = only_keys && c_.fused != fused_rows::by_head ? query_width() : 0;
      s.shown->show(s.shown->qkv, s.tokens, {s.normed.data(), w.in()},
                    {s.projected.data() + skipped - (query_width() - to.queries), to.stride}, skipped);
    }
    for (std::size_t row = 0; row < to.groups * rows; ++row)
      prepare_heads(b, layer, row % rows, std::span(s.projected).subspan(row * to.stride, to.stride), s);
  }

  /// How many groups have keys of their own, where the stream has s.groups.
  static std::size_t key_groups(const block_additions& extra, group_range g, const workspace& s) {
    return extra.qkv.empty() && extra.attention_norm.empty() && extra.prefix.length == 0 ? s.groups : g.count;
  }

  /// Makes `keys` those of the group's prefix alone.
  void begin_keys(const block& b, const block_additions& extra, std::size_t group, key_values& keys) const {
    keys.reshape(c_.kv_heads, c_.head_dim, key_type(b.qkv.weight.type(), extra.prefix.length));
    put_prefix(extra.prefix, group, keys);
  }

  /// Sets tokens of `keys` from `at` on to rows [first, first + n) of group i. keys[i] must have room for them.
  void write_keys(std::size_t i, std::size_t first, std::size_t n, const workspace& s, std::size_t at,
                  key_values& keys) const {
    const std::size_t rows = s.positions.size();
    const std::size_t from = s.heads.groups == 1 ? 0 : i;  // groups that differ only in their prefix share queries
    const float* const key = s.projected.data() + (from * rows + first) * s.heads.stride + s.heads.queries;
    keys.write(at, {key, s.heads.stride}, {key + key_width(), s.heads.stride}, n);
  }

  /// Sets the keys of a part of one sequence, in their places, for group i.
  void write_keys(std::size_t i, const workspace& s, key_values& keys) const {
    // Runs of places that follow each other.
    for (std::size_t row = 0, n; row < s.places.size(); row += n) {
      n = 1;
      while (row + n < s.places.size() && s.places[row + n] == s.places[row] + n) ++n;
      write_keys(i, row, n, s, s.places[row], keys);
    }
  }

  /// The rest of the first half, after project(). Drops the rows that are not in s.kept from the stream. The rows are
  /// those of sequences that end where `ends` says. Or they are a part of one sequence, and `keys` are those of all its
  /// tokens up to here, for each group that has its own.
  void attend(const block& b, std::size_t layer, const block_additions& extra, std::span<const std::size_t> ends,
              group_range g, workspace& s, std::span<const key_values> keys = {}) const {
    const std::size_t rows = s.positions.size(), stride = s.heads.stride, kept = s.kept.size();
    const std::size_t projected = s.heads.groups, groups = key_groups(extra, g, s);
    rows_of<const float> queries{s.projected.data(), stride};
    if (kept < rows) {
      s.queries.resize(projected * kept * query_width());
      gather(s.projected.data(), projected, rows, stride, s.kept, query_width(), s.queries.data());
      queries = {s.queries.data(), query_width()};
    }
    gather(s.stream.data(), s.groups, rows, c_.dim, s.kept, c_.dim, s.stream.data());
    s.stream.resize(s.groups * kept * c_.dim);
    s.last_keys.clear();
    for (const std::size_t t : s.kept) s.last_keys.push_back(c_.causal ? s.places[t] : s.lengths[t] - 1);

    s.attended.resize(groups * kept * query_width());
    const rows_of<float> attended{s.attended.data(), query_width()};
    const attention_shape shape = shape_of(layer);
    for (std::size_t i = 0; i < groups; ++i) {
      const std::size_t from = projected == 1 ? 0 : i;
      const auto attend_some = [&](const key_values& all, std::size_t first, std::size_t n) {
        attention<Arch>(queries.at(from * kept + first), all,
                        std::span<const std::size_t>(s.last_keys).subspan(first, n), shape,
                        attended.at(i * kept + first), s.block_scores);
      };
      if (!keys.empty()) {
        attend_some(keys[i], 0, kept);
        continue;
      }
      std::size_t begin = 0, done = 0;
      for (const std::size_t end : ends) {
        begin_keys(b, extra, g.first + i, s.keys);
        const std::size_t first = s.keys.size();
        s.keys.resize(first + end - begin);
        write_keys(i, begin, end - begin, s, first, s.keys);
        std::size_t n = 0;
        while (done + n < kept && s.kept[done + n] < end) ++n;
        attend_some(s.keys, done, n);
        done += n;
        begin = end;
      }
    }
    const std::size_t added = nn::apply<Arch>(b.output, extra.output, s.attended, groups, kept, g, s.branch);
    if (s.shown != nullptr)
      s.shown->show(s.shown->output, s.tokens, {s.attended.data(), query_width()}, {s.branch.data(), c_.dim});
    if (c_.parallel) {
      s.beside.swap(s.branch);
      return;
    }
    join(b.attention_added_norm, extra.attention_added_norm, added, kept, g, s.branch, s);
    norm_stream(b.attention_stream_norm, extra.attention_stream_norm, kept, g, s);
  }

  /// The second half: the rows of the stream, and s.beside in a parallel block.
  void transform(const block& b, const block_additions& extra, std::size_t rows, group_range g, workspace& s) const {
    const std::size_t normed = c_.shared_norm ? read_norm(b.attention_norm, extra.attention_norm, g, s)
                                              : read_norm(b.mlp_norm, extra.mlp_norm, g, s);
    if (c_.parallel)
      join(b.attention_added_norm, extra.attention_added_norm, s.beside.size() / (rows * c_.dim), rows, g, s.beside, s);
    const std::size_t groups = nn::apply<Arch>(b.gate_up, extra.gate_up, s.normed, normed, rows, g, s.projected);
    if (s.shown != nullptr)
      s.shown->show(s.shown->gate_up, s.tokens, {s.normed.data(), c_.dim},
                    {s.projected.data(), b.gate_up.weight.out()});
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
    if (s.shown != nullptr)
      s.shown->show(s.shown->down, s.tokens, {s.gated.data(), c_.hidden}, {s.branch.data(), c_.dim});
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

 private:
  std::size_t query_width() const { return c_.heads * c_.head_dim; }
  std::size_t key_width() const { return c_.kv_heads * c_.head_dim; }

  attention_shape shape_of(std::size_t layer) const {
    const layer_config own = c_.layer(layer);
    attention_shape result{c_.heads, c_.kv_heads, c_.head_dim, c_.attention_scale, c_.attention_cap, own.window};
    if (own.score_scale != 1)
      result.scale = own.score_scale *
                     (c_.attention_scale == 0 ? 1 / std::sqrt(static_cast<double>(c_.head_dim)) : c_.attention_scale);
    return result;
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
    const std::size_t queries = s.heads.queries;
    if (queries > 0) norm_heads(b.query_norm, row.first(queries));
    norm_heads(b.key_norm, row.subspan(queries, key_width()));
    if (const rotary* angles = angles_.of(layer, s.lengths[token]))
      angles->rotate(row.data(), s.positions[token], queries / d + c_.kv_heads, d);
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

  const config& c_;
  const model_angles& angles_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
