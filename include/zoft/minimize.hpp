/// Minimises any function of some numbers, from its values alone, in one call.
#pragma once

#include "autotune.hpp"
#include "core/number.hpp"
#include "mezo.hpp"

namespace zoft::inline ZOFT_ISA {

struct minimize_options {
  std::uint32_t steps = 1000;    ///< updates
  double learning_rate = 1e-3;   ///< η
  double epsilon = 1e-4;         ///< smoothing radius ε > 0, in units of x
  std::size_t queries = 1;       ///< directions a step, q ≥ 1
  zoft::schedule schedule = {};  ///< η over the run
  std::uint64_t seed = 0;        ///< names the run: same seed, same bits
  bool autotune = false;         ///< measure ε and η instead: costs a tenth more evaluations, at least 250
};

/// Minimises f in place, starting from x, by descent along two-point estimates of ∇f. It evaluates f 2q times per step,
/// once before and once after; autotune's evaluations come on top. f takes std::span<const T> and returns a number.
///
/// Throws std::invalid_argument if an option is out of range, x is empty, or f(x) is not finite at the start. No
/// improvement is a result, not an error: see report::status.
template <number T, std::size_t N, objective<std::span<const T>> F>
report minimize(std::span<T, N> x, F&& f, const minimize_options& o = {}) {
  auto tuner = mezo({.epsilon = o.epsilon,
                     .learning_rate = o.learning_rate,
                     .queries = o.queries,
                     .schedule = o.schedule,
                     .seed = o.seed});
  require(!x.empty(), "minimize: x is empty, and must be at least one number");
  report r;
  r.initial_loss = static_cast<double>(f(std::span<const T>(x)));
  require(is_finite(r.initial_loss), "minimize: f is " + text(r.initial_loss) + " at the start, and must be finite");
  if (o.autotune) r.evaluations += zoft::autotune(tuner, x, f, {.evaluations = o.steps / 5 * o.queries}).evaluations;
  for (std::uint32_t step = 0; step < o.steps; ++step) {
    const step_report s = tuner.step(x, f);
    r.evaluations += s.evaluations;
    if (s.status != status::ok) ++r.rejected;
  }
  r.loss = static_cast<double>(f(std::span<const T>(x)));
  r.evaluations += 2;
  r.status = !is_finite(r.loss) ? status::not_finite : r.loss < r.initial_loss ? status::ok : status::no_improvement;
  return r;
}

}  // namespace zoft::inline ZOFT_ISA
