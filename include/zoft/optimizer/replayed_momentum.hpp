#pragma once

#include "../concepts.hpp"
#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// m = ĝ₀ + βĝ₁ + β²ĝ₂ + … + βʰĝₕ,  θ ← θ − η(m + λθ): momentum without its buffer. ĝⱼ is the estimate of the last
/// applied step but j, made again from its (step, c), of which the last h are kept: q numbers a step, and (h + 1)q
/// directions are made where momentum makes q. Malladi et al. 2023, arXiv:2305.17333, appendix B.
///
/// A step that was rejected is none of the h. Powers of β count the steps that moved the tensor, as a tensor that rests
/// keeps its m; the h count all applied steps. What momentum has besides is at most βʰ⁺¹/(1 − β) of its largest ĝ.
///
/// Samplers that learn are refused: what they drew at earlier steps cannot be drawn again.
struct replayed_momentum {
  double learning_rate = 1e-6;          ///< η ≥ 0 at the peak of the schedule
  double beta = 0.9;                    ///< β, 0 ≤ β < 1
  std::size_t history = 20;             ///< h ≥ 1, earlier steps
  double decay = 0;                     ///< λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay; without a layout, everything
  zoft::schedule schedule = {};         ///< η over the run

  void check() const {
    update::check("replayed_momentum", learning_rate, decay, schedule);
    update::check_beta("replayed_momentum", "beta", beta);
    update::check_history("replayed_momentum", history);
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }
  std::size_t replays() const { return history; }

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

  /// x (n) and the estimate g (n) for it, which is scratch.
  template <number T, class Past>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p, const Past& past) {
    turn(g, p, past);
    update::descend<T>(x, g, p, decay, decays);
  }
};

}  // namespace zoft::inline ZOFT_ISA
