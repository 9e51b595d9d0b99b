/// Descent along forward gradients: exact slopes along random directions. Baydin et al. 2022, arXiv:2202.08587.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/forward_gradient.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct forward_gradient_descent_options {
  double learning_rate = 1e-3;   ///< η
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (∇L·zᵢ)/q · zᵢ, z gaussian. q forwards in dual numbers.
template <adapter Adapter = full>
auto forward_gradient_descent(const forward_gradient_descent_options& o, Adapter trained = {}) {
  return engine{gaussian{}, forward_gradient{.queries = o.queries}, std::move(trained),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
