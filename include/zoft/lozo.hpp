/// LOZO: MeZO with low-rank perturbations. Chen et al. 2024, arXiv:2410.07698.
#pragma once

#include "adapter/full.hpp"
#include "engine.hpp"
#include "estimator/two_point.hpp"
#include "optimizer/sgd.hpp"
#include "sampler/low_rank_gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct lozo_options {
  std::size_t rank = 2;                                  ///< r ≥ 1; the paper: 1 … 8
  std::uint32_t interval = 50;                           ///< ν ≥ 1, how many steps V is kept; the paper: 50 … 100
  double epsilon = 1e-3;                                 ///< smoothing radius ε > 0
  double learning_rate = 1e-6;                           ///< η; the paper: 1e-7 … 1e-6 for all weights
  std::size_t queries = 1;                               ///< directions a step, q ≥ 1
  double decay = 0;                                      ///< weight decay λ, decoupled
  zoft::schedule schedule = {};                          ///< η over the run
  std::uint64_t seed = 0;                                ///< names the run: same seed, same bits
  zoft::rounding rounding = zoft::rounding::stochastic;  ///< how updates of 16-bit weights are rounded
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ − εzᵢ))/2εq · zᵢ, z = UVᵀ/r for each matrix of the shape. U is drawn for
/// each direction, and V once per ν steps. Vectors get gaussian z. (The paper's ε and η are these divided by r: see
/// low_rank_gaussian.)
inline auto lozo(const lozo_options& o, layout shape) {
  return engine{low_rank_gaussian{.layout = shape, .rank = o.rank, .interval = o.interval},
                two_point{.epsilon = o.epsilon, .queries = o.queries},
                full{.layout = std::move(shape), .rounding = o.rounding},
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
