#pragma once

#include <cmath>

#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// v ← βv + (1 − β)·mean sᵢ²,  θ ← θ − η(ĝ/(√v̂ + stability) + λθ),  v̂ = v/(1 − βᵗ),  with the slopes sᵢ = qcᵢ
///
/// One rate for all parameters, set by the size of recent slopes: MEAZO. Dbouk et al. 2026, arXiv:2605.03869. v starts
/// from 0, so without v̂ the first steps would be 1/√(1 − β) times too long. t counts applied steps. Keeps two numbers.
struct adaptive_scalar {
  double learning_rate = 1e-4;          ///< η ≥ 0 at the peak of the schedule; with q = 1, a step's length over |z|
  double beta = 0.99;                   ///< β, 0 ≤ β < 1
  double stability = 1e-8;              ///< > 0, in units of a slope
  double decay = 0;                     ///< weight decay λ ≥ 0, decoupled
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run
  double second = 0;                    ///< v
  std::uint32_t updates = 0;            ///< t

  void check() const {
    update::check("adaptive_scalar", learning_rate, decay, schedule);
    update::check_beta("adaptive_scalar", "beta", beta);
    update::check_stability("adaptive_scalar", stability);
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  template <class F>
  void each_state(F f) {
    f(second), f(updates);
  }

  /// cᵢ ← cᵢ/(√v̂ + stability)
  void adapt(std::span<double> c) {
    const auto q = static_cast<double>(c.size());
    double squares = 0;
    for (const double value : c) squares = simd::multiply_add(q * value, q * value, squares);
    second = simd::multiply_add(beta, second, simd::rounded((1 - beta) * (squares / q)));
    const double root = std::sqrt(second / (1 - update::power(beta, ++updates)));
    for (double& value : c) value /= root + stability;
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
