/// KerZOO: central differences at random radii, weighted so that their error of order ε² cancels. Mi et al. 2025,
/// arXiv:2505.18886.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/kernel.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct kerzoo_options {
  double epsilon = 1e-3;         ///< largest radius ε > 0
  double learning_rate = 1e-6;   ///< η
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double scale = 1;              ///< the kernel's factor C > 0
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (L(θ + εrᵢzᵢ) − L(θ − εrᵢzᵢ))/2εq · K(rᵢ)·zᵢ, z gaussian, rᵢ uniform on [−1, 1],
/// K(r) = C·(15/4)·r·(5 − 7r²). 2q forwards.
template <adapter Adapter = full>
auto kerzoo(const kerzoo_options& o, Adapter trained = {}) {
  return engine{gaussian{}, kernel{.epsilon = o.epsilon, .queries = o.queries, .scale = o.scale}, std::move(trained),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
