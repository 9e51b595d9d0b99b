/// LOZO-M: LOZO with momentum on U only. Chen et al. 2024, arXiv:2410.07698.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/factored.hpp"
#include "../optimizer/momentum.hpp"
#include "../sampler/low_rank_gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct lozo_m_options {
  std::size_t rank = 2;          ///< r ≥ 1
  std::uint32_t interval = 50;   ///< ν ≥ 1, how many steps V is kept
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-6;   ///< η
  double beta = 0.9;             ///< β, 0 ≤ β < 1
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// N ← βN + (1 − β)·Σ cᵢUᵢ,  θ ← θ − η(NVᵀ/r + λθ), with LOZO's zᵢ = UᵢVᵀ/r for each matrix (m, k). When V is redrawn,
/// N is first carried over: N ← N·(V_oldᵀV_new)/k. N takes r·m numbers. Vectors get dense momentum.
inline auto lozo_m(const lozo_m_options& o, layout shape) {
  return engine{low_rank_gaussian{.layout = shape, .rank = o.rank, .interval = o.interval},
                two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                factored{momentum{.learning_rate = o.learning_rate,
                                  .beta = o.beta,
                                  .dampening = o.beta,
                                  .decay = o.decay,
                                  .schedule = o.schedule}},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
