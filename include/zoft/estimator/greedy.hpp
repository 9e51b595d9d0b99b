#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../engine/estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA {

struct sgd;

/// A two-point estimate that is followed, reversed or dropped, whichever gives the lowest loss:
///
///     c = (L(θ + εz) − L(θ − εz)) / 2ε        the best of θ, θ − ηcz and θ + ηcz        5 forwards
///
/// The points come in two rounds, since the last three depend on the first two losses. η is the optimizer's rate in
/// this step. The step's coefficient is 0, c or −c. If losses are equal, θ wins over both steps, and θ − ηcz over
/// θ + ηcz. On a fixed batch no step raises the loss by more than rounding does. ZO-SGD-Cons of Zhang et al. 2024,
/// arXiv:2402.11592.
///
/// The points compared are those of plain descent, so the optimizer must be sgd without decay.
struct greedy {
  double epsilon = 1e-3;                     ///< smoothing radius ε > 0, in units of the parameters
  zoft::schedule radius = {};                ///< ε over the run
  static constexpr std::size_t queries = 1;  ///< directions a step

  void check() const { estimation::check("greedy", epsilon, radius); }
  template <class Optimizer>
  void check(const Optimizer& o) const {
    require(o.decay == 0, "greedy", "the optimizer's decay", o.decay, "0");
  }

  std::size_t evaluations() const { return 5; }
  std::size_t ready(const step_view& view) const { return view.losses.size() < 2 ? 2 : 5; }

  /// θ + εz, θ − εz; then θ, θ − ηcz, θ + ηcz.
  point at(std::size_t i, const step_view& view) const {
    if (i < 2) return estimation::antithetic(i, queries, estimation::radius(*this, view));
    return {0, signs[i - 2] * (view.rate * slope(view))};
  }

  /// losses (5) in the order of the points -> coefficients (1)
  void coefficients(const step_view& view, std::span<double> c) const {
    const auto compared = view.losses.subspan(2);
    c[0] = -signs[std::min_element(compared.begin(), compared.end()) - compared.begin()] * slope(view);
  }

  template <class Sampler, class, class, class Optimizer>
  static constexpr void compose() {
    static_assert(std::is_same_v<Optimizer, sgd>, "greedy compares points of plain descent: its optimizer must be sgd");
    static_assert(
        !requires(const Sampler& s) { s.applied(direction{}); },
        "greedy applies the point that it evaluated: its sampler must not apply another direction");
  }

 private:
  static constexpr double signs[] = {0, -1, 1};  // of ηcz at the points that are compared

  double slope(const step_view& view) const {
    return (view.losses[0] - view.losses[1]) / (2 * estimation::radius(*this, view));
  }
};

}  // namespace zoft::inline ZOFT_ISA
