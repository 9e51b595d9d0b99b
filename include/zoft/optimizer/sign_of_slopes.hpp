#pragma once

#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// θ ← θ − η((1/q) Σ sign(cᵢ)zᵢ + λθ): of each slope only its sign is used, so that a step's length does not depend on
/// the losses' scale. What ZO-Bench runs as ZO-SGD-Sign: Zhang et al. 2024, arXiv:2402.11592. Not the sign of ĝ: for
/// that see sign_of_estimate. Keeps no state.
struct sign_of_slopes {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double decay = 0;                     ///< λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, everything
  zoft::schedule schedule = {};         ///< η over the run

  void check() const { update::check("sign_of_slopes", learning_rate, decay, schedule); }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// cᵢ ← sign(cᵢ)/q, the sign of 0 being 0.
  void adapt(std::span<double> c) const {
    for (double& value : c) value = update::sign(value) / static_cast<double>(c.size());
  }

  /// ĝ of those c is the direction.
  template <class A>
  void turn(std::span<A>, const update::piece&) {}

  /// x (n) and the estimate g (n) for it, which is scratch.
  template <number T>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p) {
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
