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
#include "../kernel/thread_pool.hpp"
#include "block.hpp"
#include "head.hpp"
#include "observation.hpp"
#include "token_pattern.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The forward of a decoder, whole or in parts.
template <class Arch = simd::arch>
class decoder {
 public:
  static const end_additions& none_at_the_ends() {
    static const end_additions none;
    return none;
  }

  /// With threads, those share the rows of a long sequence; with an observation, it is told of each block. The numbers
  /// do not depend on either.
  decoder(const config& shape, const weights& w, const model_angles& angles,
          const end_additions& ends = none_at_the_ends(), const thread_pool* threads = nullptr,
          const observation* watch = nullptr)
      : c_(shape),
        w_(w),
        runner_(shape, angles),
        head_(shape, w, runner_, ends),
        ends_(ends),
        threads_(threads),
        watch_(watch) {}

  /// tokens -> s.stream (s.groups, wanted, dim), before the final norm. The tokens are those of several sequences,
  /// concatenated, each of which ends where `ends` says. `wanted` holds the indices of the tokens whose stream is
  /// returned, in ascending order. In the last block, whatever depends on one token alone is computed only for these:
  /// the numbers are the same. Each sequence begins at position 0, or after the prefix. Either all blocks have a
  /// prefix, of the same length, or none has. With a token pattern, the tokens are the kept rows of the only sequence.
  void run(std::span<const std::int32_t> tokens, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
           std::span<const block_additions> additions, group_range g, workspace& s,
           const kept_rows* kept = nullptr) const {
    run(tokens, ends, wanted, additions, g, s, nullptr, kept);
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
                 workspace& s, const kept_rows* kept = nullptr) const {
    place(ends, s, 0, kept);
    embed(tokens, {}, s);
    run_blocks(0, layer, ends, {}, {}, {}, s, nullptr);
  }

  /// Block `layer` alone, without additions: s.stream (1, tokens, dim), its input for all tokens -> its output. Of the
  /// last block, that is the output for the wanted tokens.
  void run_block(std::size_t layer, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
                 workspace& s, const kept_rows* kept = nullptr) const {
    place(ends, s, 0, kept);
    run_blocks(layer, layer + 1, ends, wanted, {}, {}, s, nullptr, kept);
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
    runner_.project(b, layer, {}, {}, s);
    runner_.attend(b, layer, {}, ends, {}, s);
  }
  void transform(const block& b, workspace& s) const {
    s.groups = 1;
    runner_.transform(b, {}, s.stream.size() / c_.dim, {}, s);
  }

  /// What follows the blocks.
  const head_runner<Arch>& head() const { return head_; }

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

  /// The score of each row of the stream: (s.groups, labels), or (g.count, labels) if the groups first differ after the
  /// stream. The logits are computed for some rows and one block of the vocabulary at a time, and never exist as a
  /// whole.
  /// `among`: see batch.
  std::vector<token_score> scores(std::span<const std::int32_t> labels, workspace& s, group_range g = {},
                                  std::span<const std::int32_t> among = {}) const {
    const std::size_t rows = labels.size();
    const bool spreads = !ends_.final_norm.empty() || !ends_.head.empty();
    const std::size_t groups = spreads ? g.count : s.groups;
    std::vector<token_score> result(groups * rows);
    for_each_segment(rows, groups, s, [&](std::size_t first, std::size_t n, workspace& part) {
      part.groups = s.groups;
      part.stream.resize(s.groups * n * c_.dim);
      for (std::size_t i = 0; i < s.groups; ++i)
        std::copy_n(s.stream.data() + (i * rows + first) * c_.dim, n * c_.dim, part.stream.data() + i * n * c_.dim);
      const std::vector<token_score> some = head_.scores(labels.subspan(first, n), among, part, g);
      for (std::size_t i = 0; i < groups; ++i) std::copy_n(some.data() + i * n, n, result.data() + i * rows + first);
    });
    return result;
  }

 private:
  void run(std::span<const std::int32_t> tokens, std::span<const std::size_t> ends, std::span<const std::size_t> wanted,
           std::span<const block_additions> additions, group_range g, workspace& s, cache* past,
           const kept_rows* kept = nullptr) const {
    place(ends, s, past == nullptr ? prefix_length(additions) : past->length, kept);
    embed(tokens, g, s);
    run_blocks(0, w_.blocks.size(), ends, wanted, additions, g, s, past, kept);
    if (past != nullptr) past->length += tokens.size();
  }

  static std::size_t prefix_length(std::span<const block_additions> additions) {
    return additions.empty() ? 0 : additions[0].prefix.length;
  }

  /// Prepares a stream of one group and all tokens. Each sequence begins at position `first`.
  void place(std::span<const std::size_t> ends, workspace& s, std::size_t first,
             const kept_rows* kept = nullptr) const {
    const std::size_t rows = ends.back();
    s.groups = 1;
    s.positions.resize(rows);
    s.lengths.resize(rows);
    for (std::size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++])
      for (std::size_t row = begin; row < ends[i]; ++row) {
        s.positions[row] = first + row - begin;
        s.lengths[row] = first + ends[i] - begin;
      }
    s.first_place = first;
    s.places = s.positions;
    if (kept != nullptr)
      for (std::size_t row = 0; row < rows; ++row) {
        s.positions[row] = first + kept->positions[row];
        s.lengths[row] = first + kept->length;
      }
    s.kept.resize(rows);
    std::iota(s.kept.begin(), s.kept.end(), std::size_t{0});
    s.others.clear();
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
      normalise<Arch>(c_.norm, runner_.gain_of(w_.embedding_norm, ends_.embedding_norm, g.first + i),
                      w_.embedding_norm.bias, c_.norm_epsilon,
                      std::span(s.stream).subspan(i * rows * c_.dim, rows * c_.dim),
                      std::span(s.stream).subspan(i * rows * c_.dim, rows * c_.dim));
  }

  /// Runs blocks [first, end).
  void run_blocks(std::size_t first, std::size_t end, std::span<const std::size_t> ends,
                  std::span<const std::size_t> wanted, std::span<const block_additions> additions, group_range g,
                  workspace& s, cache* past, const kept_rows* kept = nullptr) const {
    const token_pattern* const pattern = kept == nullptr ? nullptr : &kept->pattern;
    static const block_additions none;
    for (std::size_t layer = first; layer < end; ++layer) {
      const block_additions& extra = additions.empty() ? none : additions[layer];
      const bool last = layer + 1 == w_.blocks.size();
      // In an encoder, a row needs all keys at once.
      const bool one_by_one = c_.causal && ends.size() == 1;
      const std::size_t rows = s.positions.size(), groups = extra.empty() ? s.groups : g.count;
      if (one_by_one && (pattern != nullptr || watch_ != nullptr || segment_rows(rows, groups) < rows)) {
        choose_rows(layer, last, wanted, pattern, s);
        run_in_segments(layer, extra, groups, last, g, s, past);
      } else {
        if (last) s.kept.assign(wanted.begin(), wanted.end());
        run_whole(layer, extra, ends, g, s, past);
      }
    }
  }

  void run_whole(std::size_t layer, const block_additions& extra, std::span<const std::size_t> ends, group_range g,
                 workspace& s, cache* past) const {
    const block& b = w_.blocks[layer];
    runner_.project(b, layer, extra, g, s);
    std::span<key_values> keys;
    if (past != nullptr) {
      keys = {&past->blocks[layer], 1};
      const std::size_t before = keys[0].size(), rows = s.positions.size();
      keys[0].resize(before + rows);
      runner_.write_keys(0, 0, rows, s, before, keys[0]);
    }
    runner_.attend(b, layer, extra, ends, g, s, keys);
    runner_.transform(b, extra, s.kept.size(), g, s);
  }

  /// Which rows a block computes in full, s.kept, of which others it computes keys and values, s.others, and the places
  /// of their keys.
  void choose_rows(std::size_t layer, bool last, std::span<const std::size_t> wanted, const token_pattern* pattern,
                   workspace& s) const {
    static_assert(token_pattern::block == kernel::key_block, "key scores are of the blocks that patterns are made of");
    const std::size_t rows = s.positions.size();
    std::vector<bool> kept(rows, pattern == nullptr), wants(rows);
    if (pattern != nullptr)
      for (const std::size_t b : pattern->kept[layer]) {
        const std::size_t begin = std::min(rows, b * token_pattern::block);
        std::fill_n(kept.begin() + static_cast<std::ptrdiff_t>(begin), std::min(token_pattern::block, rows - begin),
                    true);
      }
    for (const std::size_t row : wanted) wants[row] = true;
    const bool all_keys = pattern == nullptr || pattern->dropped == dropped_tokens::seen;
    s.kept.clear();
    s.others.clear();
    for (std::size_t row = 0; row < rows; ++row) {
      s.places[row] = s.first_place + s.kept.size() + s.others.size();
      if (last ? wants[row] : kept[row])
        s.kept.push_back(row);
      else if (all_keys || kept[row])
        s.others.push_back(row);
    }
  }

  /// Runs a block for a part of one long sequence after another, so that only the stream, and the keys and values of
  /// one block, exist for all rows. Threads take parts that follow each other: first all make their keys, then each
  /// needs only those. After the last block, the stream is that of the kept rows alone.
  void run_in_segments(std::size_t layer, const block_additions& extra, std::size_t groups, bool last, group_range g,
                       workspace& s, cache* past) const {
    const block& b = w_.blocks[layer];
    const std::size_t rows = s.positions.size(), all = s.kept.size() + s.others.size();
    std::span<key_values> keys;
    if (past != nullptr) {
      keys = {&past->blocks[layer], 1};
    } else {
      const std::size_t own = runner_.key_groups(extra, g, s);
      s.all_keys.resize(std::max(s.all_keys.size(), own));
      keys = std::span(s.all_keys).first(own);
      for (std::size_t i = 0; i < keys.size(); ++i) runner_.begin_keys(b, extra, g.first + i, keys[i]);
    }
    for (key_values& one : keys) one.resize(one.size() + all);

    const auto make_keys = [&](std::span<const std::size_t> which, workspace& part, bool only_keys) {
      load(s, rows, which, part);
      part.shown = watch_ == nullptr || watch_->blocks.empty() ? nullptr : &watch_->blocks[layer];
      runner_.project(b, layer, extra, g, part, only_keys);
      for (std::size_t i = 0; i < keys.size(); ++i) runner_.write_keys(i, part, keys[i]);
    };
    for_each_segment(s.others.size(), groups, s, [&](std::size_t first, std::size_t n, workspace& part) {
      make_keys(std::span<const std::size_t>(s.others).subspan(first, n), part, true);
    });

    const bool in_place = groups == s.groups;
    if (!in_place) {
      s.next.resize(groups * rows * c_.dim);
      if (!last && s.kept.size() < rows)  // what is dropped goes on as it is
        for (std::size_t i = 0; i < groups; ++i)
          std::copy_n(s.stream.data() + (s.groups == 1 ? 0 : i) * rows * c_.dim, rows * c_.dim,
                      s.next.data() + i * rows * c_.dim);
    }
    float* const to = in_place ? s.stream.data() : s.next.data();
    const bool scores_keys = watch_ != nullptr && watch_->key_scores;
    s.block_scores.assign(scores_keys ? (keys[0].size() + kernel::key_block - 1) / kernel::key_block : 0, 0);
    for_each_wave(s.kept.size(), groups, s, [&](std::size_t n, auto segment) {
      for_each(n, [&](std::size_t i) {
        const auto [first, count] = segment(i);
        make_keys(std::span<const std::size_t>(s.kept).subspan(first, count), s.parts[i], false);
      });
      for_each(n, [&](std::size_t i) {
        const auto [first, count] = segment(i);
        workspace& part = s.parts[i];
        part.kept.resize(count);
        std::iota(part.kept.begin(), part.kept.end(), std::size_t{0});
        part.block_scores.assign(s.block_scores.size(), 0);
        runner_.attend(b, layer, extra, {}, g, part, keys);
        runner_.transform(b, extra, count, g, part);
        for (std::size_t k = 0; k < groups; ++k)
          for (std::size_t row = 0; row < count; ++row)
            std::copy_n(part.stream.data() + (k * count + row) * c_.dim, c_.dim,
                        to + (k * rows + s.kept[first + row]) * c_.dim);
      });
      for (std::size_t i = 0; i < n; ++i)
        std::transform(s.block_scores.begin(), s.block_scores.end(), s.parts[i].block_scores.begin(),
                       s.block_scores.begin(), std::plus{});
    });
    s.groups = groups;
    if (!in_place) s.stream.swap(s.next);
    if (last) {
      gather(s.stream.data(), groups, rows, c_.dim, s.kept, c_.dim, s.stream.data());
      s.stream.resize(groups * s.kept.size() * c_.dim);
    }
    if (watch_ != nullptr) watch_->tell(layer, s.block_scores);
  }

  /// How many rows of each group are computed at once, if there are so many.
  std::size_t segment_rows(std::size_t rows, std::size_t groups) const {
    constexpr std::size_t most = 512, least = 64;
    const std::size_t workers = threads_ == nullptr ? 1 : threads_->workers();
    return std::min(std::max(least, most / groups), std::max(least / 2, (rows + workers - 1) / workers));
  }

  /// Calls f(n, segment) for every n segments that are computed side by side; segment(i) is the i-th one's first row
  /// and its number of rows.
  template <class F>
  void for_each_wave(std::size_t rows, std::size_t groups, workspace& s, F f) const {
    const std::size_t size = segment_rows(rows, groups), segments = (rows + size - 1) / size;
    const std::size_t together = std::min(segments, threads_ == nullptr ? 1 : threads_->workers());
    if (s.parts.size() < together) s.parts.resize(together);
    for (std::size_t done = 0; done < segments; done += together)
      f(std::min(together, segments - done), [=](std::size_t i) {
        const std::size_t first = (done + i) * size;
        return std::pair(first, std::min(size, rows - first));
      });
  }

  /// Calls f(first, n, part) for each segment of the rows.
  template <class F>
  void for_each_segment(std::size_t rows, std::size_t groups, workspace& s, F f) const {
    for_each_wave(rows, groups, s, [&](std::size_t n, auto segment) {
      for_each(n, [&](std::size_t i) {
        const auto [first, count] = segment(i);
        f(first, count, s.parts[i]);
      });
    });
  }

  /// Calls f(i) for i in [0, n), side by side where there are threads.
  template <class F>
  void for_each(std::size_t n, F f) const {
    if (n == 1 || threads_ == nullptr)
      for (std::size_t i = 0; i < n; ++i) f(i);
    else
      threads_->run(n, [&](std::size_t i, std::size_t) { f(i); });
  }

  /// Some rows of the stream (s.groups, rows, dim), and where they stand -> part
  void load(const workspace& s, std::size_t rows, std::span<const std::size_t> which, workspace& part) const {
    part.groups = s.groups;
    part.stream.resize(s.groups * which.size() * c_.dim);
    gather(s.stream.data(), s.groups, rows, c_.dim, which, c_.dim, part.stream.data());
    part.tokens.assign(which.begin(), which.end());
    part.positions.clear();
    part.lengths.clear();
    part.places.clear();
    for (const std::size_t row : which) {
      part.positions.push_back(s.positions[row]);
      part.lengths.push_back(s.lengths[row]);
      part.places.push_back(s.places[row]);
    }
  }

  const config& c_;
  const weights& w_;
  block_runner<Arch> runner_;
  head_runner<Arch> head_;
  const end_additions& ends_;
  const thread_pool* threads_;
  const observation* watch_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
