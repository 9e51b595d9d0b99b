/// SPSA: random signs, with gains that fall as powers of the step. Spall 1998, "Implementation of the simultaneous
/// perturbation algorithm for stochastic optimization", IEEE Trans. Aerospace and Electronic Systems 34:817.
#pragma once

#include <cmath>

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/rademacher.hpp"
#include "../schedule/gain.hpp"

namespace zoft::inline ZOFT_ISA {

struct spsa_options {
  double a = 1e-2;          ///< numerator of the rate aₖ = a/(A + 1 + k)^α in step k = 0, 1, …
  double c = 1e-3;          ///< numerator of the radius cₖ = c/(k + 1)^γ
  double stability = 100;   ///< A ≥ 0, about a tenth of the planned steps
  double alpha = 0.602;     ///< α
  double gamma = 0.101;     ///< γ
  std::size_t queries = 1;  ///< directions a step, q ≥ 1
  std::uint64_t seed = 0;   ///< names the run: same seed, same bits
};

/// θ ← θ − aₖĝ, ĝ = Σ (L(θ + cₖzᵢ) − L(θ − cₖzᵢ))/2cₖq · zᵢ, z random signs. 2q forwards.
template <adapter Adapter = full>
auto spsa(const spsa_options& o, Adapter trained = {}) {
  return engine{rademacher{}, two_point{.epsilon = o.c, .queries = o.queries, .radius = gain(o.gamma)},
                std::move(trained),
                sgd{.learning_rate = o.a / std::pow(o.stability + 1, o.alpha), .schedule = gain(o.alpha, o.stability)},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
