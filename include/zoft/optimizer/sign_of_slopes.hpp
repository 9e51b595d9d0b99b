#pragma once

#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// θ ← θ − η((1/q) Σ sign(cᵢ)zᵢ + λθ): only the sign of each slope is used, so a step's length does not depend on the
/// losses' scale. ZO-Bench calls it ZO-SGD-Sign: Zhang et al. 2024, arXiv:2402.11592. For the sign of ĝ, see
/// sign_of_estimate. Keeps no state.
struct sign_of_slopes {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double decay = 0;                     ///< weight decay λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run

  void check() const { update::check("sign_of_slopes", learning_rate, decay, schedule); }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// cᵢ ← sign(cᵢ)/q. The sign of 0 is 0.
  void adapt(std::span<double> c) const {
    for (double& value : c) value = update::sign(value) / static_cast<double>(c.size());
  }

  /// ĝ, made from the adapted c, is already the direction.
  template <class A>
  void turn(std::span<A>, const update::piece&) {}

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
