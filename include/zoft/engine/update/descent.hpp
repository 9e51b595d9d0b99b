/// The update of a step, a piece at a time.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "../../concepts.hpp"
#include "../../core/extent.hpp"
#include "../directions/step_directions.hpp"
#include "../points/parameters.hpp"
#include "estimate.hpp"
#include "rounded.hpp"
#include "update.hpp"

namespace zoft::inline ZOFT_ISA {

/// x ← optimizer(x, Σ cᵢzᵢ) in the parts that a step moves. x has a type of zoft::parameters; `past` holds the earlier
/// steps for a replaying optimizer. Returns how many parameters should have moved, and how many did.
template <parameters::trained X, class Optimizer, class Sampler, class Past>
update::tally descend(const X& x, std::span<const extent> parts, Optimizer& optimizer, const Sampler& sampler,
                      step_directions<Sampler>& directions, const Past& past, direction step, std::span<const double> c,
                      double rate, update::update_rounding& rounding) {
  using A = arithmetic_t<typename X::value_type>;
  rounding.begin(step);
  if constexpr (factored_optimizer<Optimizer>) {
    if constexpr (requires { x.along(); }) x.update(parts, false, [](auto&&...) {});
    const auto back = parameters::settled(x);
    optimizer.apply(update::rounded(back, rounding), parts, sampler, step, c, rate);
  } else {
    std::optional<direction> at_hand;
    if constexpr (requires { x.along(); }) at_hand = x.along();
    const estimate<Sampler, A> g_hat(sampler, directions, c, step, at_hand);
    update::rounded(x, rounding)
        .update(parts, elementwise_optimizer<Optimizer>,
                [&](std::size_t first, std::span<A> piece, const tensor* owner, const A* z) {
                  A of_piece[update::most];
                  const std::span<A> g(of_piece, piece.size());
                  g_hat(g, first, z);
                  const update::asked asked = update::count_asked<A>(first, g);
                  const update::piece p{first, owner, rate, step.step};
                  if constexpr (replaying_optimizer<Optimizer>)
                    optimizer.template apply<A>(piece, g, p, past);
                  else
                    optimizer.template apply<A>(piece, g, p);
                  return asked;
                });
    const update::tally result = rounding.counted();
    if constexpr (finishing_optimizer<Optimizer>) {
      const auto back = parameters::settled(x);
      optimizer.finish(update::rounded(back, rounding));
    }
    if constexpr (requires { x.codes_moved(); })
      return {result.asked, x.codes_moved(), result.others};
    else
      return result;
  }
  return rounding.counted();
}

}  // namespace zoft::inline ZOFT_ISA
