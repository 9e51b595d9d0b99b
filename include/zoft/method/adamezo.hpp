/// AdaMeZO: MeZO with Adam, whose moments are recomputed from the run's scalars instead of being stored. Cai, Chen and
/// Zhu 2026, arXiv:2605.00650.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/replayed_adam.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct adamezo_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-4;   ///< η: about how far each parameter moves in a step
  double beta1 = 0.9;            ///< β₁, for the average of the estimates
  double beta2 = 0.999;          ///< β₂, for the average of their squares
  std::size_t history = 20;      ///< h, earlier steps in the averages: each step generates the noise of h + 1 steps
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(m̂/√v̂ + λθ), where m̂ and v̂ are the averages of MeZO's ĝ and ĝ² over the last h + 1 steps. Needs no more
/// memory than inference.
inline auto adamezo(const adamezo_options& o, layout shape = {}) {
  return engine{gaussian{}, two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                replayed_adam{.learning_rate = o.learning_rate,
                              .beta1 = o.beta1,
                              .beta2 = o.beta2,
                              .history = o.history,
                              .decay = o.decay,
                              .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
