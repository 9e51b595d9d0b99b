/// Which forms of functor go with an estimator, and how they are called: with losses of the batch, or of one example.
/// A functor is behind one type for each form, so that a step is compiled once for all functors of the form.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../concepts.hpp"
#include "../core/examples.hpp"
#include "../core/functor_ref.hpp"

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

/// A functor that is shown one point.
template <class Estimator, class Shown>
using one = functor_ref<
    std::conditional_t<estimator_of_examples<Estimator>, double(const Shown&, example), double(const Shown&)>>;

/// A functor that is shown candidates.
template <class Estimator, class Shown, class... Seen>
using all =
    functor_ref<std::conditional_t<estimator_of_examples<Estimator>, void(const Shown&, example_losses, Seen...),
                                   void(const Shown&, std::span<double>, Seen...)>>;

/// Refers to f in its form; in that of candidates, if it has both.
template <class Estimator, class Shown, class... Seen, class F>
auto refer(F& f) {
  if constexpr (takes_all<Estimator, F, Shown, Seen...>())
    return all<Estimator, Shown, Seen...>(f);
  else
    return one<Estimator, Shown>(f);
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
