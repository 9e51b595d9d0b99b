/// Token patterns by a threshold for each layer, and a search for the thresholds by losses alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

#include "../mezo.hpp"
#include "../schedule/linear.hpp"
#include "model/batch.hpp"
#include "model/token_pattern.hpp"
#include "model/transformer.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The blocks of tokens whose score in a layer is at least its threshold, which counts in mean scores of the layer:
/// scores (layers, blocks of the sequence), thresholds (layers). With o.same, the scores and the thresholds of all
/// layers from o.first_layer on are added up. The first block, the last, and those that predict labels are kept, too;
/// o.share does not count. LeMo: Wang et al. 2025, arXiv:2501.09767. Throws if scores or thresholds do not fit.
inline token_pattern pattern_by_thresholds(std::span<const double> scores, std::span<const double> thresholds,
                                           std::span<const std::int32_t> labels, const pattern_options& o) {
  const std::size_t layers = thresholds.size(), blocks = token_pattern::blocks_of(labels.size());
  if (layers == 0 || blocks == 0 || scores.size() != layers * blocks)
    fail("token pattern: there are " + text(scores.size()) + " scores, and must be " + text(layers) + " by " +
         text(blocks));
  // In mean scores of the layer, so that one threshold suits sequences of any length.
  std::vector<double> relative(scores.begin(), scores.end()), all(blocks);
  double limit = 0;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const auto own = std::span(relative).subspan(layer * blocks, blocks);
    const double mean = std::accumulate(own.begin(), own.end(), 0.0) / static_cast<double>(blocks);
    for (double& score : own) score = mean > 0 ? score / mean : 1;
    if (layer < o.first_layer) continue;
    for (std::size_t b = 0; b < blocks; ++b) all[b] += own[b];
    limit += thresholds[layer];
  }
  const std::vector<bool> always = detail::always_kept(labels, ignored, blocks);
  token_pattern result{.dropped = o.dropped, .kept = std::vector<std::vector<std::uint32_t>>(layers)};
  for (std::size_t layer = 0; layer < layers; ++layer)
    for (std::uint32_t b = 0; b < blocks; ++b) {
      const bool wanted = o.same ? all[b] >= limit : relative[layer * blocks + b] >= thresholds[layer];
      if (layer < o.first_layer || always[b] || wanted) result.kept[layer].push_back(b);
    }
  return result;
}

/// How thresholds are searched for.
struct threshold_search {
  pattern_options pattern = {};  ///< its share is what layers should keep at most
  std::uint32_t steps = 20;
  std::size_t queries = 4;
  double epsilon = 0.2;        ///< in mean scores: a step must reach blocks on the other side of a threshold
  double learning_rate = 0.2;  ///< of one threshold for all layers; in mean scores
  std::uint64_t seed = 0;
};

/// A threshold for each layer, from 1 on, by 2·q·steps + 2 forwards of the batch with the adapter as it stands. What is
/// minimised is
///
///     L(t)/L + max(0, kept(t) − share)        L: the loss of all tokens, L(t): with the patterns of thresholds t
///
/// where kept is the share of the blocks that layers keep. LeMo's Algorithm 1 moves each threshold along the difference
/// of accuracies by itself, 2·layers forwards a step, and nothing holds it from keeping all; here MeZO moves all of
/// them at once, and what exceeds the share costs as much as it would to lose that share of the loss's value.
inline std::vector<double> find_thresholds(const transformer& model, const batch& b, const threshold_search& how = {},
                                           const adapter_stack& adapter = adapter_stack(1)) {
  const std::size_t layers = model.shape().layers;
  std::vector<std::vector<double>> scores;
  for (std::size_t i = 0; i < b.size(); ++i) scores.push_back(model.key_scores(b[i].tokens, adapter));
  const double all = model.loss(b, adapter);
  const auto cost = [&](std::span<const double> thresholds) {
    batch some;
    some.among({b.among().begin(), b.among().end()});
    double kept = 0, blocks = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
      auto pattern =
          std::make_shared<const token_pattern>(pattern_by_thresholds(scores[i], thresholds, b[i].labels, how.pattern));
      for (std::size_t layer = how.pattern.first_layer; layer < layers; ++layer) {
        kept += static_cast<double>(pattern->kept[layer].size());
        blocks += static_cast<double>(token_pattern::blocks_of(b[i].tokens.size()));
      }
      some.add(b[i].tokens, b[i].labels, std::move(pattern));
    }
    return model.loss(some, adapter) / all + std::max(0.0, kept / std::max(1.0, blocks) - how.pattern.share);
  };
  std::vector<double> thresholds(layers, 1.0);
  auto tuner = mezo({.epsilon = how.epsilon,
                     .learning_rate = how.learning_rate * static_cast<double>(layers),
                     .queries = how.queries,
                     .schedule = zoft::linear(how.steps),
                     .seed = how.seed});
  for (std::uint32_t i = 0; i < how.steps; ++i) tuner.step(std::span(thresholds), cost);
  return thresholds;
}

}  // namespace zoft::inline ZOFT_ISA::nn
