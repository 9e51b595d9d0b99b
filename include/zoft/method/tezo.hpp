/// TeZO: low-rank perturbations of which only r numbers per matrix change from step to step. Sun et al. 2025,
/// arXiv:2501.19057.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/adam.hpp"
#include "../optimizer/factored.hpp"
#include "../optimizer/momentum.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/diagonal_subspace.hpp"

namespace zoft::inline ZOFT_ISA {

struct tezo_options {
  std::size_t rank = 24;         ///< r ≥ 1
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-7;   ///< η
  double beta = 0.9;             ///< β of tezo_m, β₁ of tezo_adam, 0 ≤ β < 1
  double beta2 = 0.999;          ///< β₂ of tezo_adam, 0 ≤ β₂ < 1
  double stability = 1e-8;       ///< added to tezo_adam's divisor, > 0, in units of Σ cᵢτᵢ
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// What TeZO's variants share: z = U diag(τ) Vᵀ for each matrix of the shape, with U and V fixed for the run and τ
/// drawn for each direction. Vectors get gaussian z.
template <class Optimizer>
auto tezo(const tezo_options& o, layout shape, Optimizer descent) {
  return engine{diagonal_subspace{.layout = shape, .rank = o.rank},
                two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                std::move(descent), seed{o.seed}};
}

/// θ ← θ − η(ĝ + λθ), ĝ = Σ cᵢzᵢ. In expectation ĝ is r times the gradient.
inline auto tezo(const tezo_options& o, layout shape) {
  return tezo(o, std::move(shape), sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule});
}

/// TeZO-m: t ← βt + Σ cᵢτᵢ,  θ ← θ − η(U diag(t) Vᵀ + λθ). Momentum takes r numbers per matrix.
inline auto tezo_m(const tezo_options& o, layout shape) {
  return tezo(
      o, std::move(shape),
      factored{momentum{.learning_rate = o.learning_rate, .beta = o.beta, .decay = o.decay, .schedule = o.schedule}});
}

/// TeZO-Adam: t ← Adam's direction from Σ cᵢτᵢ,  θ ← θ − η(U diag(t) Vᵀ + λθ). The moments take 2r numbers per matrix.
/// zoft scales the coordinates τ, before U and V are applied. The paper makes both moments dense, the second from U²,
/// V² and the second moment of τ, and divides those.
inline auto tezo_adam(const tezo_options& o, layout shape) {
  return tezo(o, std::move(shape),
              factored{adam{.learning_rate = o.learning_rate,
                            .beta1 = o.beta,
                            .beta2 = o.beta2,
                            .stability = o.stability,
                            .decay = o.decay,
                            .schedule = o.schedule}});
}

}  // namespace zoft::inline ZOFT_ISA
