/// MeZO: SPSA in place, with no more memory than inference. Malladi et al. 2023, arXiv:2305.17333.
#pragma once

#include "adapter/full.hpp"
#include "engine.hpp"
#include "estimator/two_point.hpp"
#include "optimizer/sgd.hpp"
#include "sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct mezo_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-6;   ///< η; the paper: 1e-7 … 1e-6 for all weights, 5e-5 … 1e-4 for LoRA
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
  zoft::rounding rounding = zoft::rounding::stochastic;  ///< how updates of 16-bit weights are rounded
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ − εzᵢ))/2εq · zᵢ, z gaussian, on weights that the user owns. The shape is
/// needed only if some tensors decay and others do not.
inline auto mezo(const mezo_options& o, layout shape = {}) {
  return engine{gaussian{}, two_point{.epsilon = o.epsilon, .queries = o.queries},
                full{.layout = std::move(shape), .rounding = o.rounding},
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
