// The programs that all engines share, and how an engine comes in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/engines/in_graph_prge.hpp>
#include <zoft/engines/padded_batch.hpp>
#include <zoft/io/checkpoint.hpp>

namespace engines {

using zoft::engines::padded_batch;

/// Evaluates candidates, for zoft::engines::graph_loss. It is any engine's, so the programs are compiled once for all.
class evaluator {
 public:
  /// `run` takes a batch, theta and room for the losses. It may also take room for the most probable tokens in place of
  /// the labels: best (candidates, labels).
  template <zoft::engines::graph_runner Run>
  evaluator(Run run)
      : run_([own = std::make_shared<Run>(std::move(run))](const padded_batch& b, zoft::candidates<float> theta,
                                                           std::span<float> loss, std::span<std::int64_t> best) {
          if (best.empty())
            (*own)(b, theta, loss);
          else
            (*own)(b, theta, loss, best);
        }) {}

  void operator()(const padded_batch& b, const zoft::candidates<float>& theta, std::span<float> loss,
                  std::span<std::int64_t> best = {}) const {
    run_(b, theta, loss, best);
  }

 private:
  std::function<void(const padded_batch&, zoft::candidates<float>, std::span<float>, std::span<std::int64_t>)> run_;
};

/// Runs P-RGE with its update in the graph, for zoft::engines::in_graph_prge.
using updater = std::function<void(const padded_batch&, const zoft::engines::prge_run&)>;

/// What an engine may differ from zoft::nn by. These are for engines that compute in float.
struct differences {
  double loss = 1e-4;         ///< of the losses at θ
  double correlation = 1e-4;  ///< 1 less that of the slopes
  double words = 0;           ///< the share of most probable words that are others
};

struct engine {
  std::string name;
  /// Makes what evaluates candidates of an adapter of the model, and if `best`, also gives the most probable tokens.
  std::function<evaluator(const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool best)> make;
  bool trains_a = true;  ///< whether it takes adapters of zoft::lora, beside those of zoft::lora_fa
  /// Makes an updater of so many queries, if the engine has one.
  std::function<updater(const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, std::size_t queries,
                        double epsilon)>
      in_graph = {};
  std::size_t sequences = 16;  ///< that updaters take at once
  differences most = {};       ///< of the program smollm2
  /// The loss of a batch with the adapter that `save` wrote to the folder, as the engine loads it, if it can.
  std::function<double(const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter,
                       const std::string& folder, const padded_batch& batch)>
      loss_of_saved = {};
};

/// The programs tune.cpp, compare.cpp, in_graph.cpp and smollm2.cpp, which end with the status that these return.
int tune(int argc, char** argv, const engine& with);
int compare(int argc, char** argv, const engine& with);
int in_graph(int argc, char** argv, const engine& with);
int smollm2(int argc, char** argv, const engine& with);

}  // namespace engines
