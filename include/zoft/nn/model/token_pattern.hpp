/// Which tokens of a long sequence take part in which block of a model (LeMo: Wang et al. 2025, arXiv:2501.09767).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "../../random/stream.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// What becomes of the tokens that a block drops. Their stream passes it unchanged in both cases.
enum class dropped_tokens : unsigned char {
  seen,   ///< their keys and values are computed, and others see them: what is kept is exact, given the block's input
  unseen  ///< LeMo's: they are no keys either
};

/// For each block of a model, which blocks of 64 tokens of one sequence it keeps. A pattern belongs to a step: it is
/// fixed before anything is perturbed, and is the same for all candidates. If one block of tokens were kept for +ε and
/// not for −ε, it would add its own effect on the loss, over 2ε, to the slope.
struct token_pattern {
  static constexpr std::size_t block = 64;

  dropped_tokens dropped = dropped_tokens::seen;
  std::vector<std::vector<std::uint32_t>> kept;  ///< (layers, some): the blocks of tokens, in ascending order

  static std::size_t blocks_of(std::size_t tokens) { return (tokens + block - 1) / block; }

  /// Names the pattern in a record of the step: equal patterns have equal names.
  std::uint64_t name() const {
    std::uint64_t result = 0xcbf29ce484222325u;  // FNV-1a
    const auto add = [&](std::uint64_t value) { result = (result ^ value) * 0x100000001b3u; };
    add(static_cast<std::uint64_t>(dropped));
    for (const auto& layer : kept) {
      add(layer.size());
      for (const std::uint32_t b : layer) add(b);
    }
    return result;
  }

  /// Throws if the pattern is not one of `layers` blocks of a model, for a sequence of so many tokens.
  void check(std::size_t layers, std::size_t tokens) const {
    if (kept.size() != layers)
      fail("token pattern: it is for " + text(kept.size()) + " layers, and the model has " + text(layers));
    for (std::size_t i = 0; i < layers; ++i) {
      if (kept[i].empty()) fail("token pattern: layer " + text(i) + " keeps no tokens");
      if (std::adjacent_find(kept[i].begin(), kept[i].end(), std::greater_equal<>{}) != kept[i].end())
        fail("token pattern: the blocks of layer " + text(i) + " do not ascend");
      if (kept[i].back() >= blocks_of(tokens))
        fail("token pattern: layer " + text(i) + " keeps block " + text(kept[i].back()) + ", and " + text(tokens) +
             " tokens are " + text(blocks_of(tokens)) + " blocks of " + text(block));
    }
  }
};

/// The rows of one sequence that a forward needs under a pattern: blocks of tokens that no layer keeps, that nobody
/// sees and that predict no label change nothing, and are left out.
struct kept_rows {
  token_pattern pattern;               ///< of the rows: a block of it is one of the sequence
  std::vector<std::size_t> positions;  ///< of each row in its sequence, in ascending order
  std::size_t length = 0;              ///< of the sequence

  /// `predicting` holds the tokens that predict labels, in ascending order.
  kept_rows(const token_pattern& of, std::size_t tokens, std::span<const std::size_t> predicting)
      : pattern(of), length(tokens) {
    std::vector<bool> needed(token_pattern::blocks_of(tokens), of.dropped == dropped_tokens::seen);
    for (const auto& layer : of.kept)
      for (const std::uint32_t b : layer)
        if (b < needed.size()) needed[b] = true;
    for (const std::size_t t : predicting) needed[t / token_pattern::block] = true;
    std::vector<std::uint32_t> number(needed.size());  // of each block among those that are needed
    for (std::size_t b = 0, n = 0; b < needed.size(); ++b) {
      if (!needed[b]) continue;
      number[b] = static_cast<std::uint32_t>(n++);
      for (std::size_t t = b * token_pattern::block; t < std::min(tokens, (b + 1) * token_pattern::block); ++t)
        positions.push_back(t);
    }
    for (auto& layer : pattern.kept) {
      std::erase_if(layer, [&](std::uint32_t b) { return b >= needed.size(); });
      for (std::uint32_t& b : layer) b = number[b];
    }
  }
};

/// The labels that a token predicts which the last layer keeps; the others become `ignored`. A token that was dropped
/// predicts from a stream that is layers behind: its label costs as much as any other, and its slope is noise. Labels
/// stay as they are if all of them are of that kind.
inline std::vector<std::int32_t> labels_of_kept(const token_pattern& pattern, std::span<const std::int32_t> labels,
                                                std::int32_t ignored) {
  std::vector<bool> kept(token_pattern::blocks_of(labels.size()));
  if (pattern.kept.empty()) fail("token pattern: it is for 0 layers");
  for (const std::uint32_t b : pattern.kept.back())
    if (b < kept.size()) kept[b] = true;
  std::vector<std::int32_t> result(labels.begin(), labels.end());
  bool any = false;
  for (std::size_t t = 1; t < result.size(); ++t) {
    if (!kept[(t - 1) / token_pattern::block]) result[t] = ignored;
    any = any || result[t] != ignored;
  }
  return any ? result : std::vector<std::int32_t>(labels.begin(), labels.end());
}

/// What patterns have in common, whatever chooses the rest.
struct pattern_options {
  double share = 0.4;  ///< of the blocks of tokens that a layer keeps, in (0, 1]
  dropped_tokens dropped = dropped_tokens::unseen;
  std::size_t first_layer = 0;  ///< layers before this keep all tokens
  bool same = true;             ///< whether all other layers keep the same tokens, by the sum of their scores
};

namespace detail {

/// The blocks that every layer keeps: the first, the last, and those that predict a label. Where labels are everywhere,
/// as in plain text, they decide nothing.
inline std::vector<bool> always_kept(std::span<const std::int32_t> labels, std::int32_t ignored, std::size_t most) {
  std::vector<bool> result(token_pattern::blocks_of(labels.size()));
  for (std::size_t t = 1; t < labels.size(); ++t)
    if (labels[t] != ignored) result[(t - 1) / token_pattern::block] = result[t / token_pattern::block] = true;
  if (static_cast<std::size_t>(std::count(result.begin(), result.end(), true)) + 2 > most)
    std::fill(result.begin(), result.end(), false);
  result.front() = result.back() = true;
  return result;
}

}  // namespace detail

/// The blocks of greatest score in the layers: scores (layers, blocks of the sequence). `labels` are the sequence's, of
/// which `ignored` ones do not count. The first block, the last, and those that predict labels are kept, too. Throws if
/// the share is not in (0, 1], or the scores do not fit.
inline token_pattern pattern_by_scores(std::span<const double> scores, std::size_t layers,
                                       std::span<const std::int32_t> labels, std::int32_t ignored,
                                       const pattern_options& o) {
  if (!(o.share > 0 && o.share <= 1)) fail("token pattern: share is " + text(o.share) + ", and must be in (0, 1]");
  const std::size_t blocks = token_pattern::blocks_of(labels.size());
  if (blocks == 0 || scores.size() != layers * blocks)
    fail("token pattern: there are " + text(scores.size()) + " scores, and must be " + text(layers) + " by " +
         text(blocks));
  const auto most = std::max<std::size_t>(1, static_cast<std::size_t>(o.share * static_cast<double>(blocks) + 0.5));
  const std::vector<bool> always = detail::always_kept(labels, ignored, most);
  token_pattern result{.dropped = o.dropped, .kept = {}};
  std::vector<std::uint32_t> order(blocks);
  // Added up once: a sum in another order might rank blocks otherwise.
  std::vector<double> all(blocks);
  for (std::size_t i = std::min(o.first_layer, layers) * blocks; i < scores.size(); ++i) all[i % blocks] += scores[i];
  for (std::size_t layer = 0; layer < layers; ++layer) {
    std::iota(order.begin(), order.end(), 0u);
    if (layer < o.first_layer) {
      result.kept.push_back(order);
      continue;
    }
    const std::span<const double> own = o.same ? std::span<const double>(all) : scores.subspan(layer * blocks, blocks);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return always[a] != always[b] ? always[a] : own[a] > own[b];
    });
    auto& kept = result.kept.emplace_back(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(most));
    std::sort(kept.begin(), kept.end());
  }
  return result;
}

/// Blocks that a seed chooses, for each layer anew unless all keep the same: random layerwise token dropping (Yao et
/// al. 2022, arXiv:2211.11586), the control for whatever else chooses them. Throws as pattern_by_scores does.
inline token_pattern pattern_by_seed(std::uint64_t seed, std::uint32_t step, std::size_t layers,
                                     std::span<const std::int32_t> labels, std::int32_t ignored,
                                     const pattern_options& o) {
  const std::size_t blocks = token_pattern::blocks_of(labels.size());
  std::vector<double> scores(layers * blocks);
  for (std::size_t i = 0; i < scores.size(); ++i) scores[i] = random::word({seed, step, 0}, random::stream::tokens, i);
  return pattern_by_scores(scores, layers, labels, ignored, o);
}

}  // namespace zoft::inline ZOFT_ISA::nn
