/// OpenES: evolution strategies with antithetic members and centred ranks. Salimans et al. 2017, arXiv:1703.03864.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/evolution.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct openes_options {
  std::size_t population = 16;  ///< N members, even and ≥ 2; one forward each
  double epsilon = 1e-2;        ///< standard deviation of the members about θ, > 0; the paper's σ
  double learning_rate = 1e-3;  ///< η
  zoft::fitness fitness = zoft::fitness::centred_rank;  ///< what replaces the losses
  double decay = 0;                                     ///< weight decay λ, decoupled
  zoft::schedule schedule = {};                         ///< η over the run
  std::uint64_t seed = 0;                               ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (s(L(θ + εzᵢ)) − s(L(θ − εzᵢ)))/Nε · zᵢ over N/2 gaussian zᵢ, where s are the centred ranks
/// or z-scores of the N losses. N forwards.
template <adapter Adapter = full>
auto openes(const openes_options& o, Adapter trained = {}) {
  require(o.population % 2 == 0 && o.population > 0,
          "openes: population is " + text(o.population) + ", and must be an even number, at least 2");
  return engine{gaussian{}, evolution{.epsilon = o.epsilon, .queries = o.population / 2, .fitness = o.fitness},
                std::move(trained), sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
