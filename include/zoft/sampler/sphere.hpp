#pragma once

#include <cmath>

#include "../random/eight_sums.hpp"
#include "gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

/// z is uniform on the sphere of radius √n: z = round(s·g), with the gaussian's g and s = √n / ‖g‖. E zzᵀ = I, and
/// every direction has the same length. (If all of g is 0, one direction in 2²⁵ for n = 1, z is 0.) Muller 1959,
/// "A note on a method for generating points uniformly on n-dimensional spheres".
///
/// The norm is over all n elements, so the sampler must know n. A direction takes one pass over g for the norm, in
/// double and summed in a fixed order, and one for z. To make several pieces of a direction, call `at`, which computes
/// the norm once.
struct sphere {
  std::uint64_t size = 0;  ///< number of parameters, n ≥ 1

  /// z(d). Throws std::invalid_argument if size is 0 or more than 2⁴⁰.
  auto at(direction d) const {
    if (size == 0 || size > random::most_at_once)
      fail("sphere: the size is " + text(size) + ", and must be the number of parameters, 1 to 2^40");
    const double squares = squared_norm(d);
    const float scale = squares > 0 ? static_cast<float>(std::sqrt(static_cast<double>(size) / squares)) : 0.0f;
    return random::drawn<random::normal, random::scaled>(d, random::stream::perturbation, scale, size);
  }

  /// x[i] += a · z(d)[first + i], in two passes over z; a = 0 and errors as in random::drawn::axpy, plus the errors of
  /// `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  double squared_norm(direction d) const {
    constexpr std::size_t piece = 4096;
    const auto g = gaussian{}.at(d);
    random::eight_sums squares;
    for (std::uint64_t first = 0; first < size; first += piece) {
      double z[piece] = {};
      g.axpy(std::span<double>(z, static_cast<std::size_t>(std::min<std::uint64_t>(piece, size - first))), 1.0, first);
      squares.add(z, z, piece);
    }
    return squares.total();
  }
};

}  // namespace zoft::inline ZOFT_ISA
