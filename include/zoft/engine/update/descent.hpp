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
#include "update.hpp"

namespace zoft::inline ZOFT_ISA {

/// x ← optimizer(x, Σ cᵢzᵢ), of which the parts are moved: x is of zoft::parameters, and
/// past what a replaying optimizer is given.
template <class X, class Optimizer, class Sampler, class Past>
void descend(const X& x, std::span<const extent> parts, Optimizer& optimizer, const Sampler& sampler,
             step_directions<Sampler>& directions, const Past& past, direction step, std::span<const double> c,
             double rate) {
  using T = typename X::value_type;
  using A = arithmetic_t<T>;
  if constexpr (factored_optimizer<Optimizer>) {
    if constexpr (requires { x.along(); }) {
      x.update(parts, false, [](auto&&...) {});
      optimizer.apply(parameters::buffer<T>{x.values}, parts, sampler, step, c, rate);
    } else {
      optimizer.apply(x, parts, sampler, step, c, rate);
    }
  } else {
    std::optional<direction> at_hand;
    if constexpr (requires { x.along(); }) at_hand = x.along();
    const estimate<Sampler, A> g_hat(sampler, directions, c, step, at_hand);
    x.update(parts, elementwise_optimizer<Optimizer>,
             [&](std::size_t first, std::span<T> piece, const tensor* owner, const A* z) {
               A of_piece[update::most];
               const std::span<A> g(of_piece, piece.size());
               g_hat(g, first, z);
               const update::piece p{first, owner, rate, step.step};
               if constexpr (replaying_optimizer<Optimizer>)
                 optimizer.template apply<T>(piece, g, p, past);
               else
                 optimizer.template apply<T>(piece, g, p);
             });
  }
  if constexpr (requires { optimizer.template finish<T>(x.values); }) optimizer.template finish<T>(x.values);
}

}  // namespace zoft::inline ZOFT_ISA
