/// HiZOO: MeZO preconditioned by curvatures, which one more forward per step measures. Zhao et al. 2024,
/// arXiv:2402.15173.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/hessian_informed.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"
#include "../sampler/preconditioned.hpp"

namespace zoft::inline ZOFT_ISA {

struct hizoo_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-6;   ///< η
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double smoothing = 1e-8;       ///< s in [0, 1], how fast H follows the curvatures
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ − εzᵢ))/2εq · zᵢ, z gaussian divided by √H. After each step
/// H ← (1 − s)H + s·mean (|κᵢ|/2)·H²⊙zᵢ², where κᵢ = (L(θ + εzᵢ) − 2L(θ) + L(θ − εzᵢ))/ε². 2q + 1 forwards. H takes one
/// float per parameter.
template <adapter Adapter = full>
auto hizoo(const hizoo_options& o, Adapter trained = {}) {
  return engine{preconditioned<gaussian>{.smoothing = o.smoothing},
                hessian_informed{.epsilon = o.epsilon, .queries = o.queries}, std::move(trained),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
