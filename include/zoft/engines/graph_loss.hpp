/// The loss of an engine's graph as a functor that tuners take. It knows no engine: what runs the graph is given.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/candidates.hpp"
#include "../core/config.hpp"
#include "../core/low_rank.hpp"
#include "padded_batch.hpp"

namespace zoft::inline ZOFT_ISA::engines {

/// The candidates theta (P, D) that an adapter of lora or lora_fa shows: no copy, but the engine's own stack.
inline candidates<float> theta_of(const low_rank_stack& adapters) {
  require(adapters.linears() > 0, "theta_of: the adapter has no linears");
  const low_rank& first = *adapters.find(adapters.name(0));
  require(first.points == nullptr, "theta_of: the adapter's candidates are points, and must be copies");
  return {first.a_stride > 0 ? first.a : first.b, adapters.size(), first.b_stride};
}

/// What runs a graph with the inputs tokens (B, T), labels (B, T) and theta (P, D) and the output loss (P).
template <class R>
concept graph_runner = requires(R& run, const padded_batch& batch, candidates<float> theta, std::span<float> loss) {
  run(batch, theta, loss);
};

/// A functor for tuners made of what runs the graph.
template <graph_runner Run>
class graph_loss {
 public:
  /// `run` is kept; it is given a batch, theta and room for the losses.
  explicit graph_loss(Run run) : run_(std::move(run)) {}

  /// The loss of each candidate on the batch: losses (theta.size()).
  void losses(const padded_batch& batch, const candidates<float>& theta, std::span<double> losses) {
    require(losses.size() == theta.size(), "graph_loss: there is room for " + text(losses.size()) +
                                               " losses, and there are " + text(theta.size()) + " candidates");
    require(batch.predicted() > 0, "graph_loss: the batch has no labels, and must have at least one");
    loss_.resize(theta.size());
    run_(batch, theta, std::span(loss_));
    for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = static_cast<double>(loss_[i]);
  }
  /// The same for what an adapter of lora or lora_fa shows.
  void losses(const padded_batch& batch, const low_rank_stack& adapters, std::span<double> to) {
    losses(batch, theta_of(adapters), to);
  }

  /// The mean loss over all labels of the batches, with the adapter as it is: of what is held out.
  double loss(std::span<const padded_batch> batches, const low_rank_stack& adapter) {
    double sum = 0, count = 0;
    for (const padded_batch& b : batches) {
      double one = 0;
      losses(b, adapter, {&one, 1});
      sum += one * static_cast<double>(b.predicted());
      count += static_cast<double>(b.predicted());
    }
    require(count > 0, "graph_loss: there are no batches");
    return sum / count;
  }

 private:
  Run run_;
  std::vector<float> loss_;
};

}  // namespace zoft::inline ZOFT_ISA::engines
