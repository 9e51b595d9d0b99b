#pragma once

#include <algorithm>
#include <optional>

#include "../concepts.hpp"
#include "../core/buffers.hpp"
#include "../core/extent.hpp"
#include "../engine/update/rounded.hpp"
#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

namespace composition {
template <class Sampler>
using basis_of = decltype(std::declval<const Sampler&>().basis(direction{}));

template <class Basis>
concept renewable = requires(const Basis b, std::span<float> y) {
  b.carry(b, y);
};
template <class Basis>
concept isometric = requires(const Basis b) {
  b.gain(std::size_t{0});
};
template <class Optimizer>
concept turning = requires(Optimizer o, std::span<float> g, update::piece p) {
  o.turn(g, p);
};
template <class Optimizer>
concept spectral = requires(Optimizer o, std::span<float> g, update::piece p, const tensor& core) {
  o.turn(g, p, core, 1.0);
};
struct any_function {
  template <class A>
  void operator()(std::span<A>) const {}
};
template <class Optimizer>
concept carried = requires(Optimizer o, any_function f) {
  o.template carry<float>(f);
};
}  // namespace composition

/// Another optimizer, whose state has the size of a factored sampler's core. With z = P(y), the estimate is e = Σ cᵢyᵢ:
///
///     e ← turned by the optimizer, θ ← θ − η(P(e) + λθ)        e of the core's size, P(e) made a piece at a time
///
/// The optimizer has turn(g, piece), which turns a tensor's estimate into the direction to descend along. piece.first
/// counts the core's elements, and piece.owner is the parameters' tensor. An optimizer that needs the core as a matrix,
/// and P to be an isometry up to a gain, has turn(g, piece, core, gain) instead. If the sampler renews P, the optimizer
/// also needs carry(f), which passes each buffer of its state that is linear in the estimates to f.
template <class Optimizer>
struct factored {
  using of_core = Optimizer;

  Optimizer optimizer = {};                        ///< what turns e
  layout core = {};                                ///< the sampler's core, from the first step on
  update::buffers estimate = {};                   ///< e
  std::optional<std::uint32_t> last_applied = {};  ///< the step whose basis the state is in

  void check() const { optimizer.check(); }
  double rate(std::uint32_t step) const { return optimizer.rate(step); }

  template <class F>
  void each_state(F f) requires shown_optimizer<Optimizer> {
    state::each(optimizer, f);
    f(last_applied);
  }

  template <class Sampler, class, class, class>
  static constexpr void compose() {
    static_assert(factored_sampler<Sampler>,
                  "factored: the state is of a sampler's core, and this sampler has none: use the optimizer by itself");
    if constexpr (factored_sampler<Sampler>) {
      using basis = composition::basis_of<Sampler>;
      static_assert(!composition::renewable<basis> || composition::carried<Optimizer>,
                    "factored: this sampler renews its basis, and this optimizer's state cannot be carried to another");
      static_assert(
          composition::turning<Optimizer> || !composition::spectral<Optimizer> || composition::isometric<basis>,
          "factored: this optimizer needs a basis that is orthonormal: low_rank_orthonormal or subspace");
    }
  }

  /// Updates the parts of x: see update::rounded.
  template <class X, class Sampler>
  void apply(const X& x, std::span<const extent> parts, const Sampler& sampler, direction d, std::span<const double> c,
             double rate) {
    using A = typename X::value_type;
    const auto basis = sampler.basis(d);
    std::vector<A>& e = estimate.of<A>();
    if (e.empty()) {
      core = sampler.core();
      e.resize(core.size());
      if constexpr (requires { optimizer.template start<A>(std::span<const A>(e), core); })
        optimizer.template start<A>(std::span<const A>(e), core);
    }
    carry<A>(sampler, basis, d);
    std::fill(e.begin(), e.end(), A{0});
    for (std::uint32_t i = 0; i < c.size(); ++i)
      sampler.core_axpy(std::span<A>(e), static_cast<A>(c[i]), direction{d.seed, d.step, i});
    std::vector<extent> moved;
    for (std::size_t i = 0; i < core.tensors().size(); ++i) {
      const tensor& owner = sampler.layout.tensors()[i];
      const auto holds = [&](const extent& part) {
        return part.first <= owner.offset && owner.offset < part.first + part.size;
      };
      if (std::none_of(parts.begin(), parts.end(), holds)) continue;
      turn<A>(basis, i, {core.tensors()[i].offset, &owner, rate, d.step});
      moved.push_back({owner.offset, owner.size(), &owner});
    }
    x.update(moved, true, [&](std::size_t first, std::span<A> piece, const tensor* owner, const A*) {
      A g[update::most] = {};
      const std::span<A> made(g, piece.size());
      basis.embed(std::span<const A>(e), made, first);
      const update::asked asked = update::count_asked<A>(first, made);
      update::descend<A>(piece, made, {first, owner, rate, d.step}, optimizer.decay, optimizer.decays);
      return asked;
    });
  }

 private:
  template <class A, class Basis>
  void turn(const Basis& basis, std::size_t index, const update::piece& p) {
    const tensor& of_core_tensor = core.tensors()[index];
    const auto g = std::span(estimate.of<A>()).subspan(of_core_tensor.offset, of_core_tensor.size());
    if constexpr (composition::spectral<Optimizer>)
      optimizer.turn(g, p, of_core_tensor, basis.gain(index));
    else
      optimizer.turn(g, p);
  }

  /// Carries the state from the basis of the last applied step to the basis of this one. The steps between were
  /// rejected, and the one that renewed the basis may be among them.
  template <class A, class Sampler, class Basis>
  void carry(const Sampler& sampler, const Basis& basis, direction d) {
    if constexpr (composition::renewable<Basis>) {
      bool renewed = false;
      for (std::uint32_t step = last_applied.value_or(d.step); step < d.step && !renewed; ++step)
        renewed = sampler.renewed(step + 1);
      if (renewed) {
        const auto before = sampler.basis(direction{d.seed, *last_applied, 0});
        optimizer.template carry<A>([&](std::span<A> y) { basis.carry(before, y); });
      }
    }
    last_applied = d.step;
  }
};

template <class Optimizer>
factored(Optimizer) -> factored<Optimizer>;

}  // namespace zoft::inline ZOFT_ISA
