/// A user's function behind one type, so that what minimises it is compiled once.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <type_traits>

#include "../core/number.hpp"

namespace zoft::inline ZOFT_ISA::minimizing {

/// Refers to a function of std::span<const T>, which must outlive it. A call through it costs about a nanosecond more.
template <number T>
class any_objective {
 public:
  template <class F>
  requires(!std::same_as<std::remove_const_t<F>, any_objective>) explicit any_objective(F& f)
      : f_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* to, std::span<const T> x) { return static_cast<double>((*static_cast<F*>(to))(x)); }) {}

  double operator()(std::span<const T> x) const { return call_(f_, x); }

 private:
  void* f_;
  double (*call_)(void*, std::span<const T>);
};

}  // namespace zoft::inline ZOFT_ISA::minimizing
