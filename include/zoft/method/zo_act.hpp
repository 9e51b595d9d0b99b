/// ZO-Act: one basis of what linears are given, and Adam on what multiplies it. Dong et al. 2026, arXiv:2607.01125.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "../engine.hpp"
#include "../estimator/one_sided.hpp"
#include "../optimizer/adam.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct zo_act_options {
  std::size_t queries = 1;       ///< directions a step, q
  double epsilon = 1e-3;         ///< smoothing radius ε
  double learning_rate = 1e-3;   ///< η: about how far each coefficient moves in a step
  double beta1 = 0.9;            ///< β₁, for the average of the estimates
  double beta2 = 0.999;          ///< β₂, for the average of their squares
  double decay = 0;              ///< λ, decoupled weight decay
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// y = xWᵀ + (xQ)Sᵀ on each linear, where Q (in, r) are the principal directions of its inputs in one batch at the
/// start, and only S (out, r) is trained, from 0: by forward differences along gaussians, and Adam. q + 1 forwards.
///
///     auto tuner = zoft::zo_act({.seed = 42}, zoft::lora_fa{.rank = 1, .alpha = std::numbers::sqrt3,
///                                                          .start = zoft::calibrated(model.shown(batch, 128), 1)});
///
/// `adapter` holds Q and S. With α = r√3 in lora_fa, Q is orthonormal; another α only scales ε and η.
template <class Adapter>
auto zo_act(const zo_act_options& o, Adapter adapter) {
  return engine{gaussian{}, one_sided{.epsilon = o.epsilon, .queries = o.queries}, std::move(adapter),
                adam{.learning_rate = o.learning_rate,
                     .beta1 = o.beta1,
                     .beta2 = o.beta2,
                     .decay = o.decay,
                     .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
