/// MEAZO: MeZO with one adaptive rate for all parameters. Dbouk et al. 2026, arXiv:2605.03869.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/adaptive_scalar.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct meazo_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-4;   ///< η: a step is about η·|z| long, whatever the losses
  double beta = 0.99;            ///< β, for the average of the squared slopes
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ/√v̂ + λθ), where v̂ is the average of MeZO's squared slopes.
inline auto meazo(const meazo_options& o, layout shape = {}) {
  return engine{
      gaussian{}, two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
      adaptive_scalar{.learning_rate = o.learning_rate, .beta = o.beta, .decay = o.decay, .schedule = o.schedule},
      seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
