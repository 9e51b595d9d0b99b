/// SubZero: perturbations in a subspace of each matrix's rows and columns. Yu et al. 2024, arXiv:2410.08989.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/two_point.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/subspace.hpp"

namespace zoft::inline ZOFT_ISA {

struct subzero_options {
  std::size_t rank = 24;          ///< r ≥ 1, at most the smaller side of each matrix
  std::uint32_t interval = 1000;  ///< T₀ ≥ 1, how many steps a subspace is kept
  double epsilon = 1e-3;          ///< smoothing radius ε > 0
  double learning_rate = 1e-7;    ///< η
  std::size_t queries = 1;        ///< directions a step, q ≥ 1
  double decay = 0;               ///< weight decay λ, decoupled
  zoft::schedule schedule = {};   ///< η over the run
  std::uint64_t seed = 0;         ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ − εzᵢ))/2εq · zᵢ, z = √(mk)/r · UZVᵀ for each matrix (m, k) of the shape.
/// Z is drawn for each direction, and orthonormal U and V once per T₀ steps. Vectors get gaussian z.
inline auto subzero(const subzero_options& o, layout shape) {
  return engine{subspace{.layout = shape, .rank = o.rank, .interval = o.interval},
                two_point{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
