/// FZOO: descent normalised by the spread of q losses. Dang et al. 2025, arXiv:2506.09034.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/standardised.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/rademacher.hpp"

namespace zoft::inline ZOFT_ISA {

struct fzoo_options {
  double epsilon = 1e-3;                              ///< smoothing radius ε > 0
  double learning_rate = 1e-6;                        ///< η; for the released form, use the published form's η / ε
  std::size_t queries = 8;                            ///< directions a step, q ≥ 2
  standardisation form = standardisation::published;  ///< whether the estimate is divided by ε
  double decay = 0;                                   ///< weight decay λ, decoupled
  zoft::schedule schedule = {};                       ///< η over the run
  std::uint64_t seed = 0;                             ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ))/σεq · zᵢ, where z are random signs and σ is the standard deviation of
/// the q losses L(θ + εzᵢ). A step moves about η/ε along the gradient, whatever the gradient's length. q + 1 forwards.
template <adapter Adapter = full>
auto fzoo(const fzoo_options& o, Adapter trained = {}) {
  return engine{rademacher{}, standardised{.epsilon = o.epsilon, .queries = o.queries, .form = o.form},
                std::move(trained), sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
