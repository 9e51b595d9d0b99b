/// Low-rank directions for each example of a batch, with slopes relative to their spread. On language models it needs
/// the fewest forwards of all methods in zoft (see bench/README.md). No paper describes this combination.
#pragma once

#include <utility>

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/normalised.hpp"
#include "../estimator/one_sided.hpp"
#include "../estimator/per_example.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/low_rank_gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

struct per_example_lozo_options {
  std::size_t examples = 16;     ///< B ≥ 1, examples per batch: candidate i is evaluated on example i mod B alone
  std::size_t queries = 3;       ///< q ≥ 1, directions per example; Bq ≥ 2
  std::size_t rank = 16;         ///< r ≥ 1, rank of each matrix's step
  std::uint32_t interval = 1;    ///< how many steps V is kept
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 5e-3;   ///< η: steps do not shrink by themselves; use 1e-2 for a thousand forwards
  double decay = 0;              ///< weight decay λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run; should fall to 0
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), in q + 1 forwards of the batch:
///
///     ĝ = Σ cₖᵦ zₖᵦ / (Bqσ + s)        cₖᵦ = (lᵦ(θ + εzₖᵦ) − lᵦ(θ)) / εBq        s = 1e-8
///     zₖᵦ = UₖᵦVᵀ/√r on matrices, with one V for all directions of a step; gaussian on vectors
///
/// lᵦ is example b's own loss, and σ the standard deviation of all cₖᵦ. The low-rank directions are LOZO's (Chen et al.
/// 2024, arXiv:2410.07698), but V is redrawn every step: while V stays, nothing outside its span moves. Directions for
/// each example are from Wen et al. 2018, arXiv:1803.04386. Steps relative to a spread are from FZOO and GRZO (2025,
/// arXiv:2506.09034; 2026, arXiv:2606.02857).
template <class Adapter = full>
auto per_example_lozo(const per_example_lozo_options& o, Adapter adapter = {}) {
  const per_example<one_sided> of_each{.each = {.epsilon = o.epsilon, .queries = o.queries}, .examples = o.examples};
  return engine{low_rank_gaussian{.rank = o.rank, .interval = o.interval, .scaling = low_rank_scaling::unbiased},
                normalised<per_example<one_sided>>{.of = of_each}, std::move(adapter),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
