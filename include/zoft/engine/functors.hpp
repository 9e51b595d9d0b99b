/// Which forms of functor go with an estimator, and how they are called: with losses of the batch, or of one example.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "../concepts.hpp"
#include "../core/examples.hpp"

namespace zoft::inline ZOFT_ISA::functors {

/// Whether F is shown one point and returns its loss.
template <class Estimator, class F, class Shown>
constexpr bool takes_one() {
  if constexpr (estimator_of_examples<Estimator>) return requires(F & f, const Shown& x) {
      { f(x, example{}) } -> std::convertible_to<double>;
    };
  else
    return objective<F, Shown>;
}

/// Whether F is shown candidates and writes a loss for each; Seen is observations& for an observing sampler. A functor
/// that takes losses of any type says nothing of examples, and is refused where losses are of these.
template <class Estimator, class F, class Shown, class... Seen>
constexpr bool takes_all() {
  if constexpr (!estimator_of_examples<Estimator>)
    return std::invocable<F&, const Shown&, std::span<double>, Seen...>;
  else if constexpr (std::invocable<F&, const Shown&, std::span<double>, Seen...>)
    return false;
  else
    return std::invocable<F&, const Shown&, example_losses, Seen...>;
}

/// The loss of point i.
template <class Estimator, class F, class Shown>
double call_one(const Estimator& e, F& f, const Shown& shown, std::size_t i) {
  if constexpr (estimator_of_examples<Estimator>)
    return static_cast<double>(f(shown, example{i % e.batch_size()}));
  else
    return static_cast<double>(f(shown));
}

/// Writes the losses of points from `first` on.
template <class Estimator, class F, class Shown, class... Seen>
void call_all(const Estimator& e, F& f, const Shown& shown, std::span<double> losses, std::size_t first,
              Seen&... seen) {
  if constexpr (estimator_of_examples<Estimator>)
    f(shown, example_losses(losses, e.batch_size(), first), seen...);
  else
    f(shown, losses, seen...);
}

}  // namespace zoft::inline ZOFT_ISA::functors
