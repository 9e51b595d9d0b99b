#pragma once

#include <algorithm>

#include "../core/buffers.hpp"
#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// m ← βm + (1 − dampening)ĝ,  θ ← θ − η(m + λθ): the heavy ball (Polyak 1964). With dampening = β, m is a moving
/// average. m is dense, in the precision of the arithmetic: one number per parameter.
struct momentum {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double beta = 0.9;                    ///< β, 0 ≤ β < 1
  double dampening = 0;                 ///< 0 ≤ dampening ≤ 1
  double decay = 0;                     ///< weight decay λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run
  update::buffers velocity = {};        ///< m, 0 before the first step

  void check() const {
    update::check("momentum", learning_rate, decay, schedule);
    update::check_beta("momentum", "beta", beta);
    require(dampening >= 0 && dampening <= 1, "momentum", "dampening", dampening, "at least 0 and at most 1");
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout&) {
    resize<arithmetic_t<T>>(x.size());
  }
  template <class A>
  void resize(std::size_t n) {
    velocity.of<A>().resize(n);
  }

  /// ĝ (n) -> m, in place.
  template <class A>
  void turn(std::span<A> g, const update::piece& p) {
    A* m = velocity.of<A>().data() + p.first;
    if (dampening > 0)
      for (A& value : g) value = simd::rounded(static_cast<A>(1 - dampening) * value);
    random::axpy<A>(g, static_cast<A>(beta), m);
    std::copy(g.begin(), g.end(), m);
  }

  template <class F>
  void each_state(F f) {
    f(velocity);
  }

  /// Calls f(std::span<A>) for the state that is linear in past estimates: m.
  template <class A, class F>
  void carry(F f) {
    f(std::span<A>(velocity.of<A>()));
  }

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    turn(g, p);
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
