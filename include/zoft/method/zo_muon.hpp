/// ZO-Muon: steps along the matrix sign of an estimate from q queries in a subspace. Lang et al. 2026,
/// arXiv:2602.17155.
#pragma once

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/one_sided.hpp"
#include "../optimizer/factored.hpp"
#include "../optimizer/muon.hpp"
#include "../sampler/low_rank_gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct zo_muon_options {
  std::size_t rank = 64;         ///< r ≥ 1, at most the number of columns of each matrix
  std::uint32_t interval = 100;  ///< ν ≥ 1, how many steps a subspace is kept
  double epsilon = 1e-3;         ///< smoothing radius ε > 0, for z with E zzᵀ = I
  double learning_rate = 1e-2;   ///< η; a matrix's step has about r singular values of this size
  std::size_t queries = 4;       ///< directions a step, q ≥ 1
  double beta = 0;               ///< momentum, 0 ≤ β < 1; the paper has none
  std::size_t iterations = 5;    ///< Newton–Schulz iterations
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(msign(ĝ) + λθ), ĝ = Σ (L(θ + εzᵢ) − L(θ))/εq · zᵢ, z = √(k/r)·UQᵀ for each matrix (m, k) of the shape. U
/// is drawn for each direction, and orthonormal Q once per ν steps, so msign(ĝ) = msign(Σ cᵢUᵢ)·Qᵀ. Vectors get
/// gaussian z and plain descent, at the same η. (The paper's z is PΨ, with orthonormal columns on the left. That is
/// this method on transposed matrices, with zoft's ε equal to the paper's over √(k/r); the sign does not depend on ĝ's
/// length.)
inline auto zo_muon(const zo_muon_options& o, layout shape) {
  return engine{low_rank_orthonormal{
                    .layout = shape, .rank = o.rank, .interval = o.interval, .scaling = low_rank_scaling::unbiased},
                one_sided{.epsilon = o.epsilon, .queries = o.queries}, full{.layout = std::move(shape)},
                factored{muon{.learning_rate = o.learning_rate,
                              .beta = o.beta,
                              .iterations = o.iterations,
                              .decay = o.decay,
                              .schedule = o.schedule}},
                seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
