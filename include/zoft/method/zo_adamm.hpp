/// ZO-AdaMM: AMSGrad with one-sided estimates along directions on the sphere. Chen et al. 2019, arXiv:1910.06513.
#pragma once

#include <cmath>

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/one_sided.hpp"
#include "../optimizer/amsgrad.hpp"
#include "../sampler/sphere.hpp"

namespace zoft::inline ZOFT_ISA {

struct zo_adamm_options {
  double radius = 1e-3;          ///< smoothing radius μ > 0 along unit directions
  double learning_rate = 1e-3;   ///< η
  double beta1 = 0.9;            ///< β₁, for the average of the estimates
  double beta2 = 0.3;            ///< β₂, for the average of their squares
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η·m/√v̂, AMSGrad's step for ĝ = Σ (n/μq)·(L(θ + μuᵢ) − L(θ))·uᵢ, where u is uniform on the unit sphere in n
/// dimensions. zoft's sphere draws z = √n·u, so ε = μ/√n. The paper's projection for constrained problems is not done:
/// constraints are left to the loss.
inline auto zo_adamm(const zo_adamm_options& o, std::uint64_t n, layout shape = {}) {
  return engine{sphere{.size = n},
                one_sided{.epsilon = o.radius / std::sqrt(static_cast<double>(n)), .queries = o.queries},
                full{.layout = std::move(shape)},
                amsgrad{.learning_rate = o.learning_rate, .beta1 = o.beta1, .beta2 = o.beta2, .schedule = o.schedule},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
