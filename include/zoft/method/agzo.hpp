/// AGZO: descent along a basis of what linears are given. Lin et al. 2026, arXiv:2601.17261.
#pragma once

#include <cstdint>
#include <utility>

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/one_sided.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/observed_rows.hpp"

namespace zoft::inline ZOFT_ISA {

struct agzo_options {
  std::size_t queries = 1;       ///< directions a step, q
  std::size_t rank = 1;          ///< of the basis, r
  std::size_t iterations = 3;    ///< power iterations that make it
  std::size_t rows = 128;        ///< of the batch's tokens that each direction adds to what the basis is made of
  double epsilon = 1e-3;         ///< smoothing radius ε
  double learning_rate = 1e-6;   ///< η
  double decay = 0;              ///< λ, decoupled weight decay
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(Σ cᵢzᵢ + λθ), cᵢ = (L(θ + εzᵢ) − L(θ))/εq, z = RAᵀ on each linear: R (m, r) is gaussian, and the columns
/// of A (k, r) are the principal directions of the linear's inputs in this batch. q + 1 forwards. The functor takes
/// (candidates, losses, observations).
///
/// z has √(k/r) times less length than a gaussian direction, and as much less noise squared. So η may be up to k/r
/// times that of MeZO; with MeZO's it hardly moves.
///
/// The publication takes the inputs of all tokens, and gives what is no linear gaussian directions. Here it is a sample
/// of tokens, and the rest rests.
template <class Adapter = full>
auto agzo(const agzo_options& o, Adapter adapter = {}) {
  return engine{observed_rows{.rank = o.rows, .guided = false, .basis = o.rank, .iterations = o.iterations},
                one_sided{.epsilon = o.epsilon, .queries = o.queries}, std::move(adapter),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
