/// Sparse-MeZO: MeZO on the small weights of each tensor. Liu et al. 2024, arXiv:2402.15751.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"
#include "../sampler/small_weights.hpp"

namespace zoft::inline ZOFT_ISA {

struct sparse_mezo_options {
  double density = 0.25;         ///< share of each tensor that is trained; the paper's sparsity is 1 − density
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-6;   ///< η
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ − εzᵢ))/2εq · zᵢ, with z gaussian where |θ| ≤ h and 0 elsewhere. Each
/// tensor's h is set from its weights at the start. 2q forwards. The mask takes one bit per parameter.
template <adapter Adapter = full>
auto sparse_mezo(const sparse_mezo_options& o, Adapter trained = {}) {
  return engine{small_weights<gaussian>{.density = o.density}, two_point{.epsilon = o.epsilon, .queries = o.queries},
                std::move(trained), sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
