/// What ranks know of a step: the type of its numbers, and its points.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include "../concepts.hpp"
#include "../core/config.hpp"
#include "../core/number.hpp"
#include "../core/step_view.hpp"
#include "../engine/points/where.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// The type of the numbers that are trained, X: a span, a model that keeps its weights, or else an adapter's own.
template <class X>
struct number_of {
  using type = float;
};
template <class T, std::size_t N>
struct number_of<std::span<T, N>> {
  using type = std::remove_const_t<T>;
};
template <weighted_model X>
struct number_of<X> {
  using type = typename X::weight_type;
};

/// How many candidates make one forward of the batch: as many as it has examples, where each is of one example.
template <class Points>
std::size_t together(const Points& points) {
  const std::size_t losses = points.evaluations(), forwards = estimation::forwards(points);
  if (forwards == 0 || forwards >= losses) return 1;
  require(losses % forwards == 0, "mpi: the estimator's " + text(losses) + " losses cost " + text(forwards) +
                                      " forwards, which must divide them to be dealt out");
  return losses / forwards;
}

/// Whether all points of a later round are finite.
template <class T, class Points>
bool exist(const Points& points, std::size_t first, std::size_t end, const step_view& view) {
  for (std::size_t i = first; i < end; ++i)
    if (!estimation::where<T>(points, i, view)) return false;
  return true;
}

}  // namespace zoft::inline ZOFT_ISA::mpi
