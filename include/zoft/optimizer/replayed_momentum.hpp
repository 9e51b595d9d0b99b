#pragma once

#include "../concepts.hpp"
#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// m = ĝ₀ + βĝ₁ + β²ĝ₂ + … + βʰĝₕ,  θ ← θ − η(m + λθ): momentum without its buffer. ĝⱼ is the estimate j applied steps
/// ago. It is recomputed from that step's (step, c); the last h of these are kept, q numbers per step. A step generates
/// (h + 1)q directions where momentum generates q. Malladi et al. 2023, arXiv:2305.17333, appendix B.
///
/// The h steps are all applied steps; rejected steps do not count. Powers of β count only steps that moved the tensor,
/// since a tensor that rests keeps its m. The part of momentum that is cut off is at most βʰ⁺¹/(1 − β) times its
/// largest ĝ.
///
/// Samplers that learn are refused: they cannot repeat what they drew at earlier steps.
struct replayed_momentum {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double beta = 0.9;                    ///< β, 0 ≤ β < 1
  std::size_t history = 20;             ///< h ≥ 1, earlier steps
  double decay = 0;                     ///< weight decay λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, all of x
  zoft::schedule schedule = {};         ///< η over the run

  void check() const {
    update::check("replayed_momentum", learning_rate, decay, schedule);
    update::check_beta("replayed_momentum", "beta", beta);
    update::check_history("replayed_momentum", history);
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }
  std::size_t replays() const { return history; }

  /// The engine keeps the earlier steps.
  template <class F>
  void each_state(F) {}

  template <class Sampler, class, class, class>
  static constexpr void compose() {
    static_assert(!learning_sampler<Sampler, float>,
                  "replayed_momentum makes earlier directions again, which a sampler that learns cannot: use momentum");
  }

  /// ĝ (n) -> m, in place.
  template <class A, class Past>
  void turn(std::span<A> g, const update::piece& p, const Past& past) {
    A earlier[update::most];
    double weight = beta;
    for (std::size_t j = 0; j < past.steps(); ++j) {
      if (!past(j, std::span<A>(earlier, g.size()), p)) continue;
      random::axpy<A>(g, static_cast<A>(weight), earlier);
      weight *= beta;
    }
  }

  /// Updates x (n) with the estimate g (n), which is used as scratch.
  template <number T, class Past>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p, const Past& past) {
    turn(g, p, past);
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
