/// What an estimator may know when it is asked for a point, and how the engine asks estimators that need less.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "../candidates.hpp"
#include "../random/direction.hpp"

namespace zoft::inline ZOFT_ISA {

/// A step in progress: its seed and number, its learning rate, and the losses of its first points, so far as told.
struct step_view {
  direction name = {};
  double rate = 0;
  std::span<const double> losses = {};
};

namespace estimation {

/// What every estimator's check() asks of its radius and its number of directions.
inline void check(const char* who, double epsilon, std::size_t queries, std::size_t least = 1) {
  const std::string name(who);
  require(epsilon > 0 && epsilon < 1e300, name + ": epsilon is " + text(epsilon) + ", and must be above 0");
  require(queries >= least, name + ": queries is " + text(queries) + ", and must be at least " + text(least));
}

/// Point i of the step. Most estimators' points are the same at every step: at(i). Those whose radius is scheduled or
/// drawn, or whose later points depend on earlier losses, have at(i, view).
template <class E>
point at(const E& e, std::size_t i, const step_view& view) {
  if constexpr (requires { e.at(i, view); })
    return e.at(i, view);
  else
    return e.at(i);
}

/// How many of the points are known with the losses there are: all, or where points depend on losses the end of the
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

inline double mean(std::span<const double> losses) {
  double result = 0;
  for (const double loss : losses) result += loss / static_cast<double>(losses.size());
  return result;
}

/// What a step costs, in forwards of the batch. Losses and forwards differ where a loss is of a part of the batch.
template <class E>
std::size_t forwards(const E& e) {
  if constexpr (requires { e.forwards(); })
    return e.forwards();
  else
    return e.evaluations();
}

}  // namespace estimation
}  // namespace zoft::inline ZOFT_ISA
