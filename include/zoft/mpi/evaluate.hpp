/// How a rank evaluates its share of a step.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../concepts.hpp"
#include "../engine/functors.hpp"
#include "../journal/run.hpp"
#include "deal.hpp"
#include "points.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// Appends the losses of some blocks of a round, each (candidates, examples); `told` are those of earlier rounds. At
/// most so many candidates are shown at a time, 0: all. OfExamples: the functor is given the range of examples.
template <bool OfExamples, class T, class Engine, class X, class F>
void evaluate(Engine& tuner, X& x, F& functor, const std::vector<block>& own, std::span<const double> told,
              std::size_t most, std::vector<double>& to) {
  using shown = decltype(tuner.ask(x, told, std::size_t{}, std::size_t{}));
  using one = std::span<const T>;
  using E = std::remove_cvref_t<decltype(tuner.estimator())>;
  constexpr bool batches = [] {
    if constexpr (OfExamples)
      return std::invocable<F&, const shown&, range, std::span<double>>;
    else
      return functors::takes_all<E, F, shown>();
  }();
  // Asked only where it matters: a generic functor need not compile for spans.
  constexpr bool spans = [] {
    if constexpr (batches || journals::owns<Engine> || !std::is_same_v<shown, candidates<T>>)
      return false;
    else if constexpr (OfExamples)
      return std::invocable<F&, one, range, std::span<double>>;
    else
      return functors::takes_one<E, F, one>();
  }();
  if constexpr (OfExamples)
    static_assert(batches || spans,
                  "mpi: examples are dealt out: the functor must take (shown, zoft::mpi::range, std::span<double>)");
  else if constexpr (!batches && !spans)
    static_assert(functors::takes_one<E, F, shown>(),
                  "mpi: the functor must be one that the engine's step takes: void(shown, std::span<double>) or "
                  "double(shown), with zoft::example_losses or a zoft::example where each loss is of one example");
  const E& points = std::as_const(tuner).estimator();
  for (const block& part : own) {
    const std::size_t limit = !batches ? 1 : most == 0 ? part.candidates.count : most;
    for (std::size_t done = 0; done < part.candidates.count; done += limit) {
      const std::size_t count = std::min(limit, part.candidates.count - done);
      const std::size_t first = part.candidates.first + done;
      const auto some = tuner.ask(x, told, first, count);
      std::vector<double> losses(count * part.examples.count, std::numeric_limits<double>::quiet_NaN());
      const std::span<double> room = losses;
      if constexpr (OfExamples && spans)
        functor(one(some[0]), part.examples, room);
      else if constexpr (OfExamples)
        functor(some, part.examples, room);
      else if constexpr (spans)
        losses[0] = functors::call_one(points, functor, one(some[0]), told.size() + first);
      else if constexpr (batches)
        functors::call_all(points, functor, some, room, told.size() + first);
      else
        losses[0] = functors::call_one(points, functor, some, told.size() + first);
      to.insert(to.end(), losses.begin(), losses.end());
    }
  }
}

}  // namespace zoft::inline ZOFT_ISA::mpi
