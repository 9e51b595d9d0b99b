/// MeZO with Adam, which stores its two moments. Malladi et al. 2023, arXiv:2305.17333.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/adam.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct mezo_adam_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-4;   ///< η: about how far each parameter moves in a step
  double beta1 = 0.9;            ///< β₁, for the average of the estimates
  double beta2 = 0.999;          ///< β₂, for the average of their squares
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(m̂/√v̂ + λθ), where m̂ and v̂ are the averages of MeZO's ĝ and ĝ². Needs two more numbers per parameter than
/// inference.
inline auto mezo_adam(const mezo_adam_options& o, layout shape = {}) {
  return engine{gaussian{}, two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                adam{.learning_rate = o.learning_rate,
                     .beta1 = o.beta1,
                     .beta2 = o.beta2,
                     .decay = o.decay,
                     .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
