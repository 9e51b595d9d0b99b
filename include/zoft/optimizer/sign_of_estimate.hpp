#pragma once

#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// θ ← θ − η(sign(ĝ) + λθ), element by element: ZO-signSGD. Liu et al. 2019, "signSGD via zeroth-order oracle", ICLR.
/// Every parameter that ĝ moves is moved by η, whatever its slope. With q = 1 the signs are those of ±z. For the signs
/// of the slopes, see sign_of_slopes. Keeps no state.
struct sign_of_estimate {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double decay = 0;                     ///< weight decay λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run

  void check() const { update::check("sign_of_estimate", learning_rate, decay, schedule); }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// ĝ (n) -> sign(ĝ), in place. The sign of 0 is 0.
  template <class A>
  void turn(std::span<A> g, const update::piece&) {
    for (A& value : g) value = update::sign(value);
  }

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    turn(g, p);
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
