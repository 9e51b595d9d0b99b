#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../concepts.hpp"
#include "../core/buffers.hpp"
#include "../core/extent.hpp"
#include "../engine/update/update.hpp"

namespace zoft::inline ZOFT_ISA {

/// θ ← θ − η(d + λ(θ − θ₀)), with d another optimizer's direction, and then ‖θ − θ₀‖₂ ≤ r. This keeps what the model
/// knew at its start, by a pull towards θ₀ (L2-SP: Li, Grandvalet and Davoine 2018, arXiv:1802.01483), by a bound, or
/// by both. θ₀ is a copy of the parameters at the first step: one number a parameter, in its own type.
///
/// The bound is enforced by projection, up to the parameters' rounding: what the step moved goes back towards θ₀ along
/// a straight line, and resting tensors stay as they are. That takes a pass over θ and θ₀.
template <class Optimizer>
struct anchored {
  Optimizer optimizer = {};             ///< its own decay, which is towards 0, must be 0
  double decay = 0;                     ///< λ ≥ 0, towards θ₀
  bool (*decays)(const tensor&) = all;  ///< which tensors are pulled; without a layout, everything
  double radius = 0;                    ///< r, in units of the parameters; 0: no bound
  update::buffers origin = {};          ///< θ₀
  std::vector<extent> moved = {};       ///< what the step in progress has moved

  void check() const {
    optimizer.check();
    require(decay >= 0 && decay < 1e300, "anchored", "decay", decay, "at least 0");
    require(radius >= 0 && radius < 1e300, "anchored", "radius", radius, "at least 0");
    require(optimizer.decay == 0, "anchored", "optimizer.decay", optimizer.decay,
            "0, since it is not towards the start");
  }
  double rate(std::uint32_t step) const { return optimizer.rate(step); }
  std::size_t replays() const requires requires(const Optimizer o) { o.replays(); }
  { return optimizer.replays(); }

  template <class... Policies>
  static constexpr void compose() {
    static_assert(
        !requires { typename Optimizer::of_core; },
        "anchored needs an optimizer of dense estimates: the state of this one is of a sampler's core");
    if constexpr (requires { Optimizer::template compose<Policies...>(); }) Optimizer::template compose<Policies...>();
  }

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout& shape) {
    if constexpr (requires { optimizer.template start<T>(x, shape); }) optimizer.template start<T>(x, shape);
    origin.of<T>().assign(x.begin(), x.end());
  }

  /// `start` has θ₀.
  template <class F>
  void each_state(F f) requires shown_optimizer<Optimizer> {
    state::each(optimizer, f);
  }

  void adapt(std::span<double> c) requires requires(Optimizer o) { o.adapt(c); }
  { optimizer.adapt(c); }

  /// Updates x (n) by its estimate g (n), which is then scratch.
  template <number T, class... Past>
  void apply(std::span<T> x, std::span<arithmetic_t<T>> g, const update::piece& p, const Past&... past) {
    using A = arithmetic_t<T>;
    optimizer.turn(g, p, past...);
    if (decay > 0 && (p.owner == nullptr || decays(*p.owner))) {
      A away[update::most];
      origin.widen(p.first, std::span<A>(away, x.size()));
      for (std::size_t i = 0; i < x.size(); ++i) away[i] = static_cast<A>(x[i]) - away[i];
      random::axpy<A>(g, static_cast<A>(decay), away);
    }
    random::axpy<T>(x, static_cast<A>(-p.rate), g.data());
    const auto first = static_cast<std::size_t>(p.first);
    if (moved.empty() || moved.back().first + moved.back().size != first) moved.push_back({first, 0});
    moved.back().size += x.size();
  }

  /// Called after the last piece.
  template <class X>
  void finish(const X& x) {
    if constexpr (finishing_optimizer<Optimizer>) optimizer.finish(x);
    if (radius > 0) project(x);
    moved.clear();
  }

 private:
  /// θ ← θ₀ + s(θ − θ₀) in what the step moved, with s = min(1, √((r² − R²)/M²)). M² and R² are the squared distances
  /// from θ₀ of what the step moved and of the rest.
  template <class X>
  void project(const X& x) {
    using T = typename X::stored_type;
    using A = typename X::value_type;
    const double square = simd::rounded(radius * radius);
    const std::span<const T> all = x.stored();
    const T* const start = origin.of<T>().data();
    const double whole = distance<T>(all, start);
    if (whole <= square) return;
    double of_moved = 0;
    for (const extent& part : moved) of_moved += distance<T>(all.subspan(part.first, part.size), start + part.first);
    const double left = std::max(0.0, square - std::max(0.0, whole - of_moved));
    const double scale = std::min(1.0, std::sqrt(left / of_moved));
    x.update(moved, true, [&](std::size_t first, std::span<A> piece, const tensor*, const A*) {
      for (std::size_t i = 0; i < piece.size(); ++i) {
        const double from = wide(start[first + i]), away = static_cast<double>(piece[i]) - from;
        if (away != 0) piece[i] = static_cast<A>(simd::multiply_add(scale, away, from));
      }
      return std::size_t{0};
    });
  }

  template <number T>
  static double wide(T value) {
    return static_cast<double>(static_cast<arithmetic_t<T>>(value));
  }

  /// ‖x − start‖², as eight sums of every eighth element.
  template <number T>
  static double distance(std::span<const T> x, const T* start) {
    double sums[8] = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double away = wide(x[i]) - wide(start[i]);
      sums[i % 8] = simd::multiply_add(away, away, sums[i % 8]);
    }
    double result = 0;
    for (const double sum : sums) result += sum;
    return result;
  }
};

}  // namespace zoft::inline ZOFT_ISA
