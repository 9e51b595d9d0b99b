#pragma once

#include <cstdint>
#include <utility>

#include "../adapter/full.hpp"
#include "../engine.hpp"
#include "../estimator/normalised.hpp"
#include "../estimator/one_sided.hpp"
#include "../estimator/per_example.hpp"
#include "../optimizer/sgd.hpp"
#include "../sampler/observed_rows.hpp"

namespace zoft::inline ZOFT_ISA {

struct observed_options {
  std::size_t examples = 16;     ///< of a batch, B
  std::size_t queries = 1;       ///< directions of each example, q
  std::size_t rank = 16;         ///< rows of each linear's input that a direction is made of, r: memory grows with it
  bool guided = true;            ///< whether left factors are what the forward tells of gradients
  double epsilon = 0.1;          ///< smoothing radius ε, relative to outputs, over all linears
  double learning_rate = 1;      ///< η, likewise
  double decay = 0;              ///< λ, decoupled weight decay
  zoft::schedule schedule = {};  ///< η over the run: it should fall to 0
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
};

/// Directions of each example's own, made from what its forward at θ showed; steps relative to the size of slopes. In
/// q + 1 forwards:
///
///     θ ← θ − η(Σₖᵦ c̃ₖᵦ zₖᵦ + λθ)        c̃ₖᵦ = cₖᵦ / (Bqσ + s)        cₖᵦ = (lᵦ(θ + εzₖᵦ) − lᵦ(θ)) / εB
///     zₖᵦ = Σⱼ uⱼxⱼᵀ on the matrices of linears, see observed_rows        σ² = Σ cₖᵦ² / Bq
///
/// The functor takes (candidates, losses, observations): see zoft::observations. A rate of 1 suits some hundred steps
/// on text, and 0.2 some thousands. Where an example has few labels, examples agree more, and less is better.
template <class Adapter = full>
auto observed(const observed_options& o, Adapter adapter = {}) {
  const per_example<one_sided> of_each{.each = {.epsilon = o.epsilon, .queries = o.queries}, .examples = o.examples};
  return engine{observed_rows{.rank = o.rank, .guided = o.guided},
                normalised<per_example<one_sided>>{.of = of_each, .uncentred = true}, std::move(adapter),
                sgd{.learning_rate = o.learning_rate, .decay = o.decay, .schedule = o.schedule}, seed{o.seed}};
}

}  // namespace zoft::inline ZOFT_ISA
