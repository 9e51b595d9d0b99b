#pragma once

#include <algorithm>

#include "../concepts.hpp"
#include "../engine/update/moments.hpp"

namespace zoft::inline ZOFT_ISA {

/// m̂ = Σ β₁ʲĝⱼ / Σ β₁ʲ,  v̂ = Σ β₂ʲĝⱼ² / Σ β₂ʲ, j = 0 … h,  θ ← θ − η(m̂/(√v̂ + stability) + λθ): Adam without stored
/// moments. ĝⱼ is the estimate j applied steps ago. It is recomputed from that step's (step, c); the last h of these
/// are kept. Both sums take one sweep, which generates (h + 1)q directions where Adam generates q. No memory of the
/// parameters' size is needed. AdaMeZO: Cai, Chen and Zhu 2026, arXiv:2605.00650.
///
/// Dividing by the sums of the weights corrects for the cut-off as Adam corrects for its start: until more than h
/// earlier steps exist, this is Adam. Without the division, a step would be (1 − β₁ʰ⁺¹)/√(1 − β₂ʰ⁺¹) times as long: six
/// times with the defaults.
///
/// The h steps are all applied steps; rejected steps do not count. Powers of β count only steps that moved the tensor,
/// since a tensor that rests keeps its moments. Samplers that learn are refused: they cannot repeat what they drew at
/// earlier steps.
struct replayed_adam {
  double learning_rate = 1e-4;          ///< η ≥ 0 at the peak of the schedule
  double beta1 = 0.9;                   ///< β₁, 0 ≤ β₁ < 1
  double beta2 = 0.999;                 ///< β₂, 0 ≤ β₂ < 1
  std::size_t history = 20;             ///< h ≥ 1, earlier steps
  double stability = 1e-8;              ///< > 0, in units of ĝ
  double decay = 0;                     ///< weight decay λ ≥ 0, decoupled
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run

  void check() const {
    update::check("replayed_adam", learning_rate, decay, schedule);
    update::check_beta("replayed_adam", "beta1", beta1);
    update::check_beta("replayed_adam", "beta2", beta2);
    update::check_history("replayed_adam", history);
    update::check_stability("replayed_adam", stability);
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }
  std::size_t replays() const { return history; }

  /// The engine keeps the earlier steps.
  template <class F>
  void each_state(F) {}

  template <class Sampler, class, class, class>
  static constexpr void compose() {
    static_assert(!learning_sampler<Sampler, float>,
                  "replayed_adam makes earlier directions again, which a sampler that learns cannot: use adam");
  }

  /// ĝ (n) -> m̂/(√v̂ + stability), in place.
  template <class A, class Past>
  void turn(std::span<A> g, const update::piece& p, const Past& past) {
    A m[update::most], v[update::most], earlier[update::most];
    std::fill_n(m, g.size(), A{0});
    std::fill_n(v, g.size(), A{0});
    add(std::span<const A>(g), 1, 1, m, v);
    double weight1 = 1, weight2 = 1, sum1 = 1, sum2 = 1;
    for (std::size_t j = 0; j < past.steps(); ++j) {
      if (!past(j, std::span<A>(earlier, g.size()), p)) continue;
      sum1 += weight1 = simd::rounded(weight1 * beta1);
      sum2 += weight2 = simd::rounded(weight2 * beta2);
      add(std::span<const A>(earlier, g.size()), weight1, weight2, m, v);
    }
    update::normalise<A>(g, m, 1 / sum1, v, 1 / sum2, stability);
  }

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T, class Past>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p, const Past& past) {
    turn(g, p, past);
    update::descend<T>(x, g, p, decay, decays);
  }

 private:
  /// m (n) += weight1·g and v (n) += weight2·g², element by element.
  template <class A>
  static void add(std::span<const A> g, double weight1, double weight2, A* m, A* v) {
    const A by1 = static_cast<A>(weight1), by2 = static_cast<A>(weight2);
    update::for_each_vector<A>(g.size(), [&]<class V>(std::size_t i, std::type_identity<V>) {
      const V value = simd::load<V>(g.data() + i), square = simd::rounded<V>(value * value);
      simd::store(m + i, simd::multiply_add<V>(by1 - V{}, value, simd::load<V>(m + i)));
      simd::store(v + i, simd::multiply_add<V>(by2 - V{}, square, simd::load<V>(v + i)));
    });
  }
};

}  // namespace zoft::inline ZOFT_ISA
