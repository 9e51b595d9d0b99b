#pragma once

#include "../random/normal.hpp"

namespace zoft::inline ZOFT_ISA {

/// z ~ N(0, 1)ⁿ with independent elements. E zzᵀ = I, so E (zᵀg)·z = g for any g.
struct gaussian {
  /// z(d)
  auto at(direction d) const { return random::gaussian_direction(d); }

  /// x[i] += a · z(d)[first + i]; errors as in random::drawn::axpy.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
