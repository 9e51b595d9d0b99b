/// MeZO-BCD: MeZO on one block of tensors at a time. Park et al. 2025, arXiv:2501.19099. With random blocks it is LeZO:
/// Wang et al. 2024, arXiv:2410.09823.
#pragma once

#include "../adapter/blocks.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct mezo_bcd_options {
  std::size_t active = 1;                       ///< blocks that move in a step
  std::uint32_t interval = 1;                   ///< steps until other blocks move
  block_order order = block_order::rotating;    ///< which blocks come next; LeZO: random
  std::string (*block)(const tensor&) = layer;  ///< names a tensor's block
  double epsilon = 1e-3;                        ///< smoothing radius ε > 0
  double learning_rate = 1e-6;                  ///< η
  std::size_t queries = 1;                      ///< directions a step, q ≥ 1
  double decay = 0;                             ///< weight decay λ, decoupled
  zoft::schedule schedule = {};                 ///< η over the run
  std::uint64_t seed = 0;                       ///< names the run: same seed, same bits
};

/// θ_b ← θ_b − η(ĝ_b + λθ_b), ĝ_b = Σ (L(θ + εzᵢ) − L(θ − εzᵢ))/2εq · zᵢ, where z is gaussian in the blocks b that move
/// in this step and 0 elsewhere. The shape names the tensors.
inline auto mezo_bcd(const mezo_bcd_options& o, layout shape) {
  return engine{
      gaussian{}, two_point{.epsilon = o.epsilon, .queries = o.queries},
      blocks{
          .layout = std::move(shape), .active = o.active, .interval = o.interval, .order = o.order, .block = o.block},
      sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
