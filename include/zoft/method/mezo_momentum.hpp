/// MeZO with momentum, which is recomputed from the run's scalars instead of being stored. Malladi et al. 2023,
/// arXiv:2305.17333.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/replayed_momentum.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct mezo_momentum_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-7;   ///< η; each slope counts 1/(1 − β) times in total
  double beta = 0.9;             ///< β
  std::size_t history = 20;      ///< h, earlier steps in the sum: each step generates the noise of h + 1 steps
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(Σ βʲĝⱼ + λθ), j = 0 … h, where ĝⱼ is MeZO's estimate j applied steps ago. Needs no more memory than
/// inference.
inline auto mezo_momentum(const mezo_momentum_options& o, layout shape = {}) {
  return engine{gaussian{}, two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                replayed_momentum{.learning_rate = o.learning_rate,
                                  .beta = o.beta,
                                  .history = o.history,
                                  .decay = o.decay,
                                  .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
