/// Scores of blocks of tokens without a forward, by a small network that forward passes train.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/adam.hpp"
#include "../sampler/gaussian.hpp"
#include "model/token_pattern.hpp"
#include "model/transformer.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The share of a layer's blocks of greatest score that are among its blocks of greatest predicted score, where `share`
/// of them are taken: the mean over layers. Both (layers, blocks). LeMo's recall.
inline double recall_of(std::span<const double> predicted, std::span<const double> scores, std::size_t layers,
                        double share) {
  require(layers > 0 && scores.size() == predicted.size() && scores.size() % layers == 0 && !scores.empty(),
          "recall: there are " + text(predicted.size()) + " predicted scores and " + text(scores.size()) +
              ", and must be as many of each in " + text(layers) + " layers");
  const std::size_t blocks = scores.size() / layers;
  const auto most = std::max<std::size_t>(1, static_cast<std::size_t>(share * static_cast<double>(blocks) + 0.5));
  const auto greatest = [&](std::span<const double> of) {
    std::vector<std::size_t> order(blocks);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return of[i] > of[j]; });
    order.resize(std::min(most, blocks));
    std::sort(order.begin(), order.end());
    return order;
  };
  std::size_t found = 0, all = 0;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const auto a = greatest(predicted.subspan(layer * blocks, blocks)),
               b = greatest(scores.subspan(layer * blocks, blocks));
    std::vector<std::size_t> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    found += both.size();
    all += b.size();
  }
  return static_cast<double>(found) / static_cast<double>(all);
}

/// How a score_predictor is made and trained.
struct predictor_options {
  std::size_t neurons = 16;   ///< of a layer, at the start
  std::size_t features = 64;  ///< of a block of tokens
  std::uint32_t rounds = 4;   ///< after each, neurons that never fire are cut
  std::uint32_t steps = 50;   ///< of a round
  std::size_t queries = 8;
  double epsilon = 0.01;
  double learning_rate = 0.005;  ///< of Adam; falls linearly from round to round
  std::uint64_t seed = 0;
};

/// Predicts transformer::key_scores from the tokens' embeddings. With f (blocks, features) the greatest values that
/// a block's normalised embeddings have along random directions, and a 1, layer l predicts for block n
///
///     Σ_{m ≥ n} max(0, f_m Q_lᵀ) · max(0, f_n K_lᵀ)        Q_l, K_l (neurons, features + 1)
///
/// in mean scores of the sequence. LeMo (Wang et al. 2025, arXiv:2501.09767) predicts from what each layer is given,
/// which takes the forward that this saves, and without the causal mask. The loss is smooth L1, as theirs; it is
/// minimised by two-point differences and Adam, and whatever never fires is cut, as they do.
class score_predictor {
 public:
  /// Trains on scores of these sequences: a forward of each. The model must outlive this.
  score_predictor(const transformer& model, std::span<const std::vector<std::int32_t>> sequences,
                  const predictor_options& o = {})
      : model_(model), o_(o), directions_(o.features * model.shape().dim) {
    require(!sequences.empty() && o.neurons > 0 && o.features > 0,
            "score_predictor: there must be sequences, neurons and features to learn with");
    gaussian{}.axpy(std::span(directions_), 1 / std::sqrt(static_cast<float>(model.shape().dim)), {o.seed, 0, 0});
    for (const auto& tokens : sequences) learned_.push_back({features_of(tokens), model.key_scores(tokens)});
    for (std::size_t layer = 0; layer < model.shape().layers; ++layer) layers_.push_back(trained(layer));
  }

  /// Predicted scores (layers, blocks), in mean scores of the layer.
  std::vector<double> scores(std::span<const std::int32_t> tokens) const { return scores_of(features_of(tokens)); }

  /// recall_of for the sequences that it learned from: their mean.
  double recall(double share) const {
    double sum = 0;
    for (const example& e : learned_) sum += recall_of(scores_of(e.features), e.scores, layers_.size(), share);
    return sum / static_cast<double>(learned_.size());
  }

  /// The neurons that are left in the layer.
  std::size_t neurons(std::size_t layer) const { return layers_[layer].size() / (2 * width()); }

 private:
  struct example {
    std::vector<double> features, scores;  // (blocks, width), (layers, blocks)
  };

  std::size_t width() const { return o_.features + 1; }

  std::vector<double> scores_of(std::span<const double> features) const {
    std::vector<double> result;
    for (const std::vector<double>& layer : layers_) {
      const std::vector<double> own = predicted(layer, features);
      result.insert(result.end(), own.begin(), own.end());
    }
    return result;
  }

  std::vector<double> features_of(std::span<const std::int32_t> tokens) const {
    const std::size_t dim = model_.shape().dim, blocks = token_pattern::blocks_of(tokens.size());
    const std::vector<float> rows = model_.embedded(tokens);
    std::vector<double> result(blocks * width());
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const auto row = std::span(rows).subspan(t * dim, dim);
      const double square = std::inner_product(row.begin(), row.end(), row.begin(), 1e-12);
      const double scale = std::sqrt(static_cast<double>(dim) / square);
      double* const to = result.data() + t / token_pattern::block * width();
      for (std::size_t f = 0; f < o_.features; ++f) {
        const double along =
            scale *
            std::inner_product(row.begin(), row.end(), directions_.begin() + static_cast<std::ptrdiff_t>(f * dim), 0.0);
        to[f] = t % token_pattern::block == 0 ? along : std::max(to[f], along);
      }
      to[o_.features] = 1;
    }
    return result;
  }

  /// max(0, f Wᵀ) (blocks, neurons), for W (neurons, width).
  std::vector<double> fired(std::span<const double> w, std::span<const double> features) const {
    const std::size_t n = w.size() / width(), blocks = features.size() / width();
    std::vector<double> result(blocks * n);
    for (std::size_t b = 0; b < blocks; ++b)
      for (std::size_t k = 0; k < n; ++k) {
        const double* const f = features.data() + b * width();
        result[b * n + k] = std::max(0.0, std::inner_product(f, f + width(), w.data() + k * width(), 0.0));
      }
    return result;
  }

  /// In mean scores: (blocks).
  std::vector<double> predicted(std::span<const double> layer, std::span<const double> features) const {
    const std::size_t n = layer.size() / (2 * width()), blocks = features.size() / width();
    const std::vector<double> q = fired(layer.first(n * width()), features),
                              k = fired(layer.last(n * width()), features);
    std::vector<double> result(blocks), behind(n);
    double sum = 0;
    for (std::size_t b = blocks; b-- > 0;) {
      for (std::size_t i = 0; i < n; ++i) behind[i] += q[b * n + i];
      result[b] = std::inner_product(behind.begin(), behind.end(), k.begin() + static_cast<std::ptrdiff_t>(b * n), 0.0);
      sum += result[b];
    }
    return in_means(std::move(result), sum);
  }

  static std::vector<double> in_means(std::vector<double> values, double sum) {
    for (double& value : values) value = sum > 0 ? value * static_cast<double>(values.size()) / sum : 1;
    return values;
  }

  std::vector<double> trained(std::size_t layer) const {
    std::vector<std::vector<double>> wanted;
    for (const example& e : learned_) {
      const std::size_t blocks = e.features.size() / width();
      std::vector<double> own(e.scores.begin() + static_cast<std::ptrdiff_t>(layer * blocks),
                              e.scores.begin() + static_cast<std::ptrdiff_t>((layer + 1) * blocks));
      const double sum = std::accumulate(own.begin(), own.end(), 0.0);
      wanted.push_back(in_means(std::move(own), sum));
    }
    const auto loss = [&](std::span<const double> values) {
      double sum = 0, blocks = 0;
      for (std::size_t i = 0; i < learned_.size(); ++i) {
        const std::vector<double> made = predicted(values, learned_[i].features);
        for (std::size_t b = 0; b < made.size(); ++b) {
          const double off = std::abs(made[b] - wanted[i][b]);
          sum += off < 1 ? off * off / 2 : off - 0.5;
        }
        blocks += static_cast<double>(made.size());
      }
      return sum / blocks;
    };
    // A neuron begins with its 1, so that it fires everywhere, and all of them predict the position's share alone.
    std::vector<double> values(2 * o_.neurons * width());
    const auto run = static_cast<std::uint32_t>(layer + 1);
    gaussian{}.axpy(std::span(values), 0.1 / std::sqrt(static_cast<double>(width())), {o_.seed, run, 0});
    for (std::size_t k = 0; k < 2 * o_.neurons; ++k) values[k * width() + o_.features] = 1;
    for (std::uint32_t round = 0; round < o_.rounds; ++round) {
      const double rate = o_.learning_rate * (1 - static_cast<double>(round) / o_.rounds);
      engine tuner{gaussian{}, two_point{.epsilon = o_.epsilon, .queries = o_.queries}, full{},
                   adam{.learning_rate = rate}, seed{o_.seed + (std::uint64_t{run} << 32) + round}};
      for (std::uint32_t step = 0; step < o_.steps; ++step) tuner.step(std::span(values), loss);
      values = without_the_silent(values);
    }
    return values;
  }

  /// Without the neurons that are 0 in all blocks of all examples, on either side. At least one is left.
  std::vector<double> without_the_silent(const std::vector<double>& values) const {
    const std::size_t n = values.size() / (2 * width());
    std::vector<bool> asks(n), answers(n);
    for (const example& e : learned_) {
      const auto q = fired(std::span(values).first(n * width()), e.features),
                 k = fired(std::span(values).last(n * width()), e.features);
      for (std::size_t i = 0; i < q.size(); ++i) {
        if (q[i] > 0) asks[i % n] = true;
        if (k[i] > 0) answers[i % n] = true;
      }
    }
    std::vector<double> result;
    for (const std::size_t side : {std::size_t{0}, n})
      for (std::size_t k = 0; k < n; ++k)
        if (asks[k] && answers[k])
          result.insert(result.end(), values.begin() + static_cast<std::ptrdiff_t>((side + k) * width()),
                        values.begin() + static_cast<std::ptrdiff_t>((side + k + 1) * width()));
    return result.empty() ? values : result;
  }

  const transformer& model_;
  predictor_options o_;
  std::vector<float> directions_;  // (features, dim)
  std::vector<example> learned_;
  std::vector<std::vector<double>> layers_;  // Q and K of each
};

}  // namespace zoft::inline ZOFT_ISA::nn
