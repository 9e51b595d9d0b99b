/// The update of a step, a piece at a time.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "../adapter/extent.hpp"
#include "../concepts.hpp"
#include "../sampler/step_directions.hpp"
#include "update.hpp"

namespace zoft::inline ZOFT_ISA {

/// x ← optimizer(x, Σ cᵢzᵢ), of which the parts are moved: x is a parameters::buffer or parameters::weights_of, and
/// past what a replaying optimizer is given.
template <class X, class Optimizer, class Sampler, class Past>
void descend(const X& x, std::span<const extent> parts, Optimizer& optimizer, const Sampler& sampler,
             step_directions<Sampler>& directions, const Past& past, direction step, std::span<const double> c,
             double rate) {
  using T = typename X::value_type;
  using A = arithmetic_t<T>;
  if constexpr (factored_optimizer<Optimizer>) {
    optimizer.apply(x, parts, sampler, step, c, rate);
  } else {
    const auto& of_query = directions.of(sampler, step, c.size());
    x.update(parts, elementwise_optimizer<Optimizer>, [&](std::size_t first, std::span<T> piece, const tensor* owner) {
      A sum[update::most];
      const std::span<A> g(sum, piece.size());
      std::fill(g.begin(), g.end(), A{0});
      for (std::size_t i = 0; i < c.size(); ++i) of_query[i].axpy(g, static_cast<A>(c[i]), first);
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
