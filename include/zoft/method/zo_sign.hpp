/// Two kinds of descent by signs: those of the slopes (ZO-Bench: Zhang et al. 2024, arXiv:2402.11592), and those of the
/// estimate's elements (Liu et al. 2019, "signSGD via zeroth-order oracle", ICLR).
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/one_sided.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/sign_of_estimate.hpp"
#include "../optimizer/sign_of_slopes.hpp"
#include "../sampler/gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct zo_sign_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-6;   ///< η: with q = 1 a step is η·|z| long, whatever the losses
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η((1/q) Σ sign(L(θ + εzᵢ) − L(θ − εzᵢ))·zᵢ + λθ), z gaussian: MeZO with only the signs of its slopes.
inline auto zo_sign(const zo_sign_options& o, layout shape = {}) {
  return engine{gaussian{}, two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                sign_of_slopes{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule},
                seed{o.seed}};
}

struct zo_signsgd_options {
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 1e-4;   ///< η: how far each parameter moves in a step
  std::size_t queries = 10;      ///< directions a step, q ≥ 1; with q = 1 the signs are those of ±z
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(sign(ĝ) + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ))/εq · zᵢ, z gaussian. (The paper draws z uniformly on the sphere;
/// with q = 1 that changes no sign.)
inline auto zo_signsgd(const zo_signsgd_options& o, layout shape = {}) {
  return engine{gaussian{}, one_sided{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                sign_of_estimate{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
