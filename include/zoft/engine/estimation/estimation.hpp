/// How the engine asks an estimator for points and coefficients, and what estimators have in common.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../../core/candidates.hpp"
#include "../../core/number.hpp"
#include "../../core/schedule.hpp"
#include "../../core/step_view.hpp"

namespace zoft::inline ZOFT_ISA::estimation {

/// What every estimator's check() requires of its number of directions and of its radius.
inline void check(const char* who, std::size_t queries, std::size_t least = 1) {
  if (queries < least) refuse(who, "queries", text(queries), "at least " + text(least));
}
inline void check(const char* who, double epsilon, const schedule& radius) {
  require(epsilon > 0 && epsilon < 1e300, who, "epsilon", epsilon, "above 0");
  radius.check();
}

/// ε of the step in progress.
template <class E>
double radius(const E& e, const step_view& view) {
  return e.epsilon * e.radius(view.name.step);
}

/// Point i of 2q: θ + radius·zⱼ for all q queries, and then θ − radius·zⱼ for all.
inline point antithetic(std::size_t i, std::size_t queries, double radius) {
  return i < queries ? point{i, radius} : point{i - queries, -radius};
}

/// Point i of the step. An estimator whose points are the same at every step may have at(i). If its radius is scheduled
/// or drawn, or later points depend on earlier losses, it has at(i, view).
template <class E>
point at(const E& e, std::size_t i, const step_view& view) {
  if constexpr (requires { e.at(i, view); })
    return e.at(i, view);
  else
    return e.at(i);
}

/// How many points are known from the losses so far: all, or, if points depend on losses, those up to the end of the
/// coming round.
template <class E>
std::size_t ready(const E& e, const step_view& view) {
  if constexpr (requires { e.ready(view); })
    return e.ready(view);
  else
    return e.evaluations();
}

/// Losses of all points -> coefficients (queries).
template <class E>
void coefficients(E& e, const step_view& view, std::span<double> c) {
  if constexpr (requires { e.coefficients(view, c); })
    e.coefficients(view, c);
  else
    e.coefficients(view.losses, c);
}

/// Whether all coefficients are finite in A, the arithmetic of the update: a double may hold more than that.
template <class A>
bool fit(std::span<const double> c) {
  for (const double value : c)
    if (!is_finite(static_cast<double>(static_cast<A>(value)))) return false;
  return true;
}

inline double mean(std::span<const double> losses) {
  double result = 0;
  for (const double loss : losses) result += loss / static_cast<double>(losses.size());
  return result;
}

/// The curvatures along the step's directions (queries); 0 if the estimator measures none.
template <class E>
std::vector<double> curvatures(const E& e, const step_view& view) {
  std::vector<double> result(e.queries);
  if constexpr (requires { e.curvatures(view, std::span<double>(result)); })
    e.curvatures(view, std::span<double>(result));
  return result;
}

/// What a step costs, in forwards of the batch. That differs from its number of losses if each loss covers only a part
/// of the batch.
template <class E>
std::size_t forwards(const E& e) {
  if constexpr (requires { e.forwards(); })
    return e.forwards();
  else
    return e.evaluations();
}

}  // namespace zoft::inline ZOFT_ISA::estimation
