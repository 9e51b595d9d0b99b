#pragma once

#include <algorithm>

#include "update.hpp"

namespace zoft::inline ZOFT_ISA {

/// m ← βm + ĝ,  θ ← θ − η(m + λθ): the heavy ball (Polyak 1964). m is dense, in the precision of the arithmetic: one
/// number a parameter.
struct momentum {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double beta = 0.9;                    ///< β, 0 ≤ β < 1
  double decay = 0;                     ///< λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, everything
  zoft::schedule schedule = {};         ///< η over the run
  update::buffers velocity = {};        ///< m, from 0 at the first step

  void check() const {
    update::check("momentum", learning_rate, decay, schedule);
    require(beta >= 0 && beta < 1, "momentum: beta is " + text(beta) + ", and must be at least 0 and below 1");
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout&) {
    velocity.of<arithmetic_t<T>>().resize(x.size());
  }

  /// x (n) and the estimate g (n) for it, which is scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    using A = arithmetic_t<T>;
    A* m = velocity.of<A>().data() + p.first;
    random::axpy<A>(g, static_cast<A>(beta), m);
    std::copy(g.begin(), g.end(), m);
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
