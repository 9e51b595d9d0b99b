/// Residual feedback: one forward per step. Zhang, Zhou, Ji and Zavlanos 2020, arXiv:2006.10820.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/residual.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct one_point_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-6;   ///< η
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = (l − l′)/ε · z, where l = L(θ + εz), l′ is the loss of the step before, and z is gaussian. 1
/// forward.
template <adapter Adapter = full>
auto one_point(const one_point_options& o, Adapter trained = {}) {
  return engine{gaussian{}, residual{.epsilon = o.epsilon}, std::move(trained),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
