/// EGGROLL: evolution strategies whose members differ by low-rank matrices. Sarkar et al. 2025, arXiv:2511.16652.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/evolution.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/low_rank_product.hpp"

namespace zoft::inline ZOFT_ISA {

struct eggroll_options {
  std::size_t rank = 1;          ///< r ≥ 1
  std::size_t population = 16;   ///< N members, even and ≥ 2; one forward each
  double epsilon = 1e-2;         ///< standard deviation of the members about θ, > 0; the paper's σ
  double learning_rate = 1e-3;   ///< η
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (s(L(θ + εzᵢ)) − s(L(θ − εzᵢ)))/Nε · zᵢ over N/2 pairs, where s are the z-scores of the N
/// losses. For each matrix of the shape z = ABᵀ/√r, with A and B drawn for each pair; vectors get gaussian z. N
/// forwards.
inline auto eggroll(const eggroll_options& o, layout shape) {
  require(o.population % 2 == 0 && o.population > 0,
          "eggroll: population is " + text(o.population) + ", and must be an even number, at least 2");
  return engine{low_rank_product{.layout = shape, .rank = o.rank},
                evolution{.epsilon = o.epsilon, .queries = o.population / 2, .fitness = fitness::z_score},
                full{.layout = std::move(shape)},
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
