/// A user's functor behind one type, so that what calls it is compiled once.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

template <class Signature>
class functor_ref;

/// Refers to a functor, or a function, that is called as R(A...). It must outlive the reference. A call costs about a
/// nanosecond more than one of the functor itself; the code around it need not be made again for each lambda.
template <class R, class... A>
class functor_ref<R(A...)> {
 public:
  template <class F>
  requires(std::is_function_v<F>) explicit functor_ref(F& f)
      : to_{.function = reinterpret_cast<void (*)()>(&f)},
        call_([](target to, A... a) -> R { return result(*reinterpret_cast<F*>(to.function), a...); }) {}

  template <class F>
  requires(!std::is_function_v<F> && !std::same_as<std::remove_const_t<F>, functor_ref>) explicit functor_ref(F& f)
      : to_{.object = const_cast<void*>(static_cast<const void*>(std::addressof(f)))},
        call_([](target to, A... a) -> R { return result(*static_cast<F*>(to.object), a...); }) {}

  R operator()(A... a) const { return call_(to_, a...); }

 private:
  union target {
    void* object;
    void (*function)();
  };

  template <class F>
  static R result(F& f, A... a) {
    if constexpr (std::is_void_v<R>)
      f(a...);
    else
      return static_cast<R>(f(a...));
  }

  target to_;
  R (*call_)(target, A...);
};

}  // namespace zoft::inline ZOFT_ISA
