/// Whether four policies go together, and have what they seem to have.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "../concepts.hpp"

namespace zoft::inline ZOFT_ISA {

namespace composition {

// A policy's optional members are found by how they are called, and so one with other parameters would be ignored in
// silence. Whether there is any member of that name is seen from this: it makes the name ambiguous beside another.
#define ZOFT_HAS_MEMBER(name)                                                   \
  struct other_##name {                                                         \
    int name;                                                                   \
  };                                                                            \
  template <class P>                                                            \
  struct with_other_##name : P, other_##name {};                                \
  template <class P>                                                            \
  concept has_##name = std::is_class_v<P> && !std::is_final_v<P> && !requires { \
    &with_other_##name<P>::name;                                                \
  };
ZOFT_HAS_MEMBER(start)
ZOFT_HAS_MEMBER(learn)
ZOFT_HAS_MEMBER(ready)
ZOFT_HAS_MEMBER(trains)
ZOFT_HAS_MEMBER(adapt)
ZOFT_HAS_MEMBER(finish)
#undef ZOFT_HAS_MEMBER

template <class P>
concept starts_with_values = requires(P p, std::span<const float> x, const layout& shape) {
  p.template start<float>(x, shape);
};
template <class P>
concept starts_with_size = requires(P p, std::size_t size, const layout& shape) {
  p.start(size, shape);
};

template <class Sampler, class Estimator, class Adapter, class Optimizer>
constexpr void check_members() {
  static_assert(!has_start<Sampler> || starts_with_values<Sampler> || starts_with_size<Sampler>,
                "the sampler's start is not called: it must be start(std::size_t, const layout&), or a template "
                "start<T>(std::span<const T>, const layout&)");
  static_assert(!has_learn<Sampler> || learning_sampler<Sampler, float>,
                "the sampler's learn is not called: see learning_sampler, which needs start<T>, too");
  static_assert(
      !has_ready<Estimator> || requires(const Estimator e, const step_view& view) { e.ready(view); },
      "the estimator's ready is not called: it must be ready(const step_view&) const");
  static_assert(
      !has_trains<Adapter> || requires(const Adapter a, const tensor& t) { bool(a.trains(t)); } ||
          requires(const Adapter a, const layout& shape, direction d) { std::vector<bool>(a.trains(shape, d)); },
      "the adapter's trains is not called: it must be trains(const tensor&) const, or "
      "trains(const layout&, direction) const");
  static_assert(
      !has_start<Optimizer> || starts_with_values<Optimizer>,
      "the optimizer's start is not called: it must be a template start<T>(std::span<const T>, const layout&)");
  // A wrapper's adapt may be there only for optimizers that have one: then its address cannot be taken.
  static_assert(
      !has_adapt<Optimizer> || !requires { &Optimizer::adapt; } ||
          requires(Optimizer o, std::span<double> c) { o.adapt(c); },
      "the optimizer's adapt is not called: it must be adapt(std::span<double>)");
  static_assert(!has_finish<Optimizer> || finishing_optimizer<Optimizer>,
                "the optimizer's finish is not called: it must be a template finish(const X&)");
}

template <class Sampler, class Estimator, class Adapter, class Optimizer>
constexpr void check() {
  check_members<Sampler, Estimator, Adapter, Optimizer>();
  static_assert(!(learning_sampler<Sampler, float> && replaying_optimizer<Optimizer>),
                "the optimizer makes earlier directions again, and the sampler's change with what it learns");
  const auto one = []<class P>(std::type_identity<P>) {
    if constexpr (requires { P::template compose<Sampler, Estimator, Adapter, Optimizer>(); })
      P::template compose<Sampler, Estimator, Adapter, Optimizer>();
  };
  one(std::type_identity<Sampler>{});
  one(std::type_identity<Estimator>{});
  one(std::type_identity<Adapter>{});
  one(std::type_identity<Optimizer>{});
}

}  // namespace composition

/// What moves the buffer of a coded adapter; nothing where the adapter is none.
namespace composition {
template <class A>
struct moves_codes {
  struct type {};
};
template <class A>
requires requires { typename A::buffer; }
struct moves_codes<A> {
  using type = typename A::buffer;
};
}  // namespace composition
template <class A>
using code_buffer = typename composition::moves_codes<A>::type;

}  // namespace zoft::inline ZOFT_ISA
