#pragma once

#include <algorithm>

#include "../core/buffers.hpp"
#include "../engine/update/moments.hpp"

namespace zoft::inline ZOFT_ISA {

/// m ← β₁m + (1 − β₁)ĝ,  v ← β₂v + (1 − β₂)ĝ²,  v̂ ← max(v̂, v),  θ ← θ − η(m/(√v̂ + stability) + λθ)
///
/// Adam without bias correction, whose rates never grow again: Reddi, Kale and Kumar 2018, arXiv:1904.09237. With
/// zeroth-order estimates it is ZO-AdaMM: Chen et al. 2019, arXiv:1910.06513. m, v and v̂ are dense, in the precision of
/// the arithmetic: three numbers per parameter.
struct amsgrad {
  double learning_rate = 1e-4;          ///< η ≥ 0 at the peak of the schedule
  double beta1 = 0.9;                   ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;                 ///< β₂, 0 ≤ β₂ < 1
  double stability = 1e-8;              ///< > 0, in units of ĝ
  double decay = 0;                     ///< weight decay λ ≥ 0, decoupled
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run
  update::buffers first = {};           ///< m, 0 before the first step
  update::buffers second = {};          ///< v, likewise
  update::buffers greatest = {};        ///< v̂, likewise

  void check() const {
    update::check("amsgrad", learning_rate, decay, schedule);
    update::check_beta("amsgrad", "beta1", beta1);
    update::check_beta("amsgrad", "beta2", beta2);
    update::check_stability("amsgrad", stability);
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout&) {
    resize<arithmetic_t<T>>(x.size());
  }
  template <class A>
  void resize(std::size_t n) {
    for (update::buffers* state : {&first, &second, &greatest}) state->of<A>().resize(n);
  }

  template <class F>
  void each_state(F f) {
    f(first), f(second), f(greatest);
  }

  /// ĝ (n) -> m/(√v̂ + stability), in place.
  template <class A>
  void turn(std::span<A> g, const update::piece& p) {
    A *m = first.of<A>().data() + p.first, *v = second.of<A>().data() + p.first;
    A* most = greatest.of<A>().data() + p.first;
    update::average<A>(g, beta1, m);
    update::average_of_squares<A>(g, beta2, v);
    for (std::size_t i = 0; i < g.size(); ++i) most[i] = std::max(most[i], v[i]);
    update::normalise<A>(g, m, 1, most, 1, stability);
  }

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    turn(g, p);
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
