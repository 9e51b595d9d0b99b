/// ZO-SGD-Cons: a two-point step that is taken, reversed or skipped, whichever gives the lowest loss. Zhang et al.
/// 2024, arXiv:2402.11592.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/greedy.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct zo_conservative_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-6;   ///< η
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← the best of θ, θ − ηcz and θ + ηcz, c = (L(θ + εz) − L(θ − εz))/2ε, z gaussian. 5 forwards.
template <adapter Adapter = full>
auto zo_conservative(const zo_conservative_options& o, Adapter trained = {}) {
  return engine{gaussian{}, greedy{.epsilon = o.epsilon}, std::move(trained),
                sgd{.learning_rate = o.learning_rate, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
