#pragma once

#include "../core/buffers.hpp"
#include "../engine/update/moments.hpp"

namespace zoft::inline ZOFT_ISA {

/// m ← β₁m + (1 − β₁)ĝ,  v ← β₂v + (1 − β₂)ĝ²,  θ ← θ − η(m̂/(√v̂ + stability) + λθ),  m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ)
///
/// Kingma and Ba 2015, arXiv:1412.6980; with λ > 0, AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101). t counts each
/// tensor's own updates, so a step in which it rested, or a rejected step, leaves no bias. m and v are dense, in the
/// precision of the arithmetic: two numbers per parameter.
struct adam {
  double learning_rate = 1e-4;          ///< η ≥ 0 at the peak of the schedule
  double beta1 = 0.9;                   ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;                 ///< β₂, 0 ≤ β₂ < 1
  double stability = 1e-8;              ///< > 0, in units of ĝ; the papers' ε, which here is the smoothing radius
  double decay = 0;                     ///< weight decay λ ≥ 0, decoupled
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run
  update::buffers first = {};           ///< m, 0 before the first step
  update::buffers second = {};          ///< v, likewise
  update::counts updates = {};          ///< t, by tensor

  void check() const {
    update::check("adam", learning_rate, decay, schedule);
    update::check_beta("adam", "beta1", beta1);
    update::check_beta("adam", "beta2", beta2);
    update::check_stability("adam", stability);
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout&) {
    resize<arithmetic_t<T>>(x.size());
  }
  template <class A>
  void resize(std::size_t n) {
    first.of<A>().resize(n);
    second.of<A>().resize(n);
  }

  template <class F>
  void each_state(F f) {
    f(first), f(second), f(updates);
  }

  /// ĝ (n) -> m̂/(√v̂ + stability), in place.
  template <class A>
  void turn(std::span<A> g, const update::piece& p) {
    A *m = first.of<A>().data() + p.first, *v = second.of<A>().data() + p.first;
    const std::uint32_t t = updates(p);
    update::average<A>(g, beta1, m);
    update::average_of_squares<A>(g, beta2, v);
    update::normalise<A>(g, m, 1 / (1 - update::power(beta1, t)), v, 1 / (1 - update::power(beta2, t)), stability);
  }

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    turn(g, p);
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
