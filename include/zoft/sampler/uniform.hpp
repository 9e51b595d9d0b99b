#pragma once

#include "../random/symmetric.hpp"

namespace zoft::inline ZOFT_ISA {

/// z is uniform on (−√3, √3)ⁿ with independent elements. E zzᵀ = I. The fourth moment, 9/5, lies between rademacher's 1
/// and the gaussian's 3. Element i is made from word i of the direction's stream (see random::symmetric) and multiplied
/// by √3 in float.
struct uniform {
  /// z(d)
  auto at(direction d) const {
    constexpr float sqrt3 = 1.7320508f;
    return random::drawn<random::symmetric, random::scaled>(d, random::stream::perturbation, sqrt3);
  }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
