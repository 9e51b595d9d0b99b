#pragma once

#include <algorithm>

#include "../core/buffers.hpp"
#include "../engine/update/newton_schulz.hpp"
#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// M ← βM + ĝ,  θ ← θ − η(msign(M) + λθ) for each matrix, with msign by Newton–Schulz iterations (see newton_schulz).
/// The step is equally long in every direction that the estimate has. Vectors take momentum's step, θ ← θ − η(M + λθ),
/// whose length is the estimate's. Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
///
/// Use it as factored{muon{…}} with samplers whose factors are orthonormal. Then msign(YVᵀ) = msign(Y)Vᵀ, and M and its
/// sign have the core's size, r·m or r·r.
struct muon {
  double learning_rate = 1e-2;          ///< η ≥ 0 at the peak of the schedule; a step's singular values are near it
  double beta = 0;                      ///< β, 0 ≤ β < 1; 0: no momentum
  std::size_t iterations = 5;           ///< Newton–Schulz iterations, at least 1
  double decay = 0;                     ///< weight decay λ ≥ 0
  bool (*decays)(const tensor&) = all;  ///< which tensors decay
  zoft::schedule schedule = {};         ///< η over the run
  update::buffers velocity = {};        ///< M, 0 before the first step

  void check() const {
    update::check("muon", learning_rate, decay, schedule);
    update::check_beta("muon", "beta", beta);
    require(iterations > 0, "muon", "iterations", iterations, "at least 1");
  }
  double rate(std::uint32_t step) const { return learning_rate * schedule(step); }

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout&) {
    velocity.of<arithmetic_t<T>>().resize(x.size());
  }

  /// g, the core (rows, columns) of the estimate for p's tensor -> the core of its matrix sign. A matrix's norm is
  /// `gain` times its core's. A vector's g becomes M.
  template <class A>
  void turn(std::span<A> g, const update::piece& p, const tensor& core, double gain) {
    A* m = velocity.of<A>().data() + p.first;
    random::axpy<A>(g, static_cast<A>(beta), m);
    std::copy(g.begin(), g.end(), m);
    if (!p.owner->is_matrix()) return;
    newton_schulz(g, core.rows, core.columns, iterations);
    for (A& v : g) v = static_cast<A>(static_cast<double>(v) / gain);
  }

  template <class F>
  void each_state(F f) {
    f(velocity);
  }

  /// Calls f(std::span<A>) for the state that is linear in past estimates: M.
  template <class A, class F>
  void carry(F f) {
    f(std::span<A>(velocity.of<A>()));
  }
};

}  // namespace zoft::inline ZOFT_ISA
