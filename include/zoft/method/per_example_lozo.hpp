/// Directions of low rank for each example of a batch, relative to the spread of their slopes: what takes the fewest
/// forwards on language models of all that zoft has (README, "Which is best"). No paper has it as a whole.
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
  std::size_t examples = 16;     ///< B ≥ 1, of a batch: candidate i is evaluated on example i mod B alone
  std::size_t queries = 3;       ///< q ≥ 1, directions of each example; Bq ≥ 2
  std::size_t rank = 16;         ///< r ≥ 1, of what each matrix moves by
  std::uint32_t interval = 1;    ///< steps with the same V
  double epsilon = 1e-3;         ///< smoothing radius ε > 0
  double learning_rate = 5e-3;   ///< η: steps do not become smaller by themselves; 1e-2 for a thousand forwards
  double decay = 0;              ///< λ, decoupled
  zoft::schedule schedule = {};  ///< η over the run; should fall to 0
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// θ ← θ − η(ĝ + λθ), in q + 1 forwards of the batch:
///
///     ĝ = Σ cₖᵦ zₖᵦ / (Bqσ + s)    cₖᵦ = (lᵦ(θ + εzₖᵦ) − lᵦ(θ)) / εBq    σ their deviation, lᵦ example b's own loss
///     zₖᵦ = UₖᵦVᵀ/√r on matrices, of which V is the step's, and gaussian on vectors
///
/// low_rank_gaussian is LOZO's (Chen et al. 2024, arXiv:2410.07698), with V anew each step, as a basis that stays
/// leaves what is outside it alone; an example's own directions are Wen et al.'s (2018, arXiv:1803.04386); steps
/// relative to a spread FZOO's and GRZO's (2025, arXiv:2506.09034; 2026, arXiv:2606.02857).
template <class Adapter = full>
auto per_example_lozo(const per_example_lozo_options& o, Adapter adapter = {}) {
  const per_example<one_sided> of_each{.each = {.epsilon = o.epsilon, .queries = o.queries}, .examples = o.examples};
  return engine{low_rank_gaussian{.rank = o.rank, .interval = o.interval, .scaling = low_rank_scaling::unbiased},
                normalised<per_example<one_sided>>{.of = of_each}, std::move(adapter),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
