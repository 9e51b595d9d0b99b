#pragma once

#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// θ ← θ − η(ĝ + λθ): plain descent, with decay applied directly instead of through the loss (decoupled; Loshchilov and
/// Hutter 2019, arXiv:1711.05101). Keeps no state.
struct sgd {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double decay = 0;                     ///< weight decay λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run

  static constexpr bool elementwise = true;

  void check() const { update::check("sgd", learning_rate, decay, schedule); }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// ĝ is already the direction.
  template <class A>
  void turn(std::span<A>, const update::piece&) {}

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
