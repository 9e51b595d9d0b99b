/// GRZO: each example of a batch has its own direction, and all of them together take two forwards of the batch. Tan et
/// al. 2026, arXiv:2606.02857.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/standardised_per_example.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/flipout.hpp"

namespace zoft::inline ZOFT_ISA {

struct grzo_options {
  std::size_t examples = 16;     ///< B ≥ 2, examples per batch: candidate i is evaluated on example i mod B alone
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-4;   ///< η: slopes are divided by their spread over the examples
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ aᵦzᵦ/2εB, aᵦ = δᵦ/(std δ + 1e-8), where δᵦ = lᵦ(θ + εzᵦ) − lᵦ(θ − εzᵦ) is the difference of
/// example b's own losses. zᵦ = U ⊙ (rᵦsᵦᵀ), with U drawn for each step and the signs rᵦ and sᵦ for each example.
inline auto grzo(const grzo_options& o, layout shape) {
  return engine{flipout{.layout = shape}, standardised_per_example{.epsilon = o.epsilon, .queries = o.examples},
                full{.layout = std::move(shape)},
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
