#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "../../core/direction.hpp"
#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// z(d) of a sampler that has only an axpy.
template <class Sampler>
struct direction_of {
  const Sampler& sampler;
  direction d;

  template <class T, class A>
  void axpy(std::span<T> x, A a, std::uint64_t first = 0) const {
    sampler.axpy(x, a, d, first);
  }
};

/// z(d) of a sampler, from which any number of pieces can be taken: axpy(x, a, first). If the sampler has an `at` of
/// its own, what it computes once a direction (a key schedule, a norm) is computed here. The result refers to the
/// sampler.
template <class Sampler>
auto at(const Sampler& sampler, direction d) {
  if constexpr (requires { sampler.at(d); })
    return sampler.at(d);
  else
    return direction_of<Sampler>{sampler, d};
}

/// x (n) ← elements first … first + n − 1 of the direction z, in float or double.
template <class Z, class A>
void draw(const Z& z, std::span<A> x, std::uint64_t first) {
  if constexpr (requires { z.draw(x, first); }) {
    z.draw(x, first);
  } else {
    std::fill(x.begin(), x.end(), A{0});
    z.axpy(x, A{1}, first);
  }
}

/// The direction to apply, which may differ from the one evaluated: the sampler's applied(d) if it has one, else its
/// z(d).
template <class Sampler>
auto applied(const Sampler& sampler, direction d) {
  if constexpr (requires { sampler.applied(d); })
    return sampler.applied(d);
  else
    return zoft::at(sampler, d);
}

}  // namespace zoft::inline ZOFT_ISA
