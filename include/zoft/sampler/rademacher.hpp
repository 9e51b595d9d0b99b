#pragma once

#include "../random/axpy.hpp"
#include "../random/stream.hpp"

namespace zoft::inline ZOFT_ISA {

/// z ∈ {−1, +1}ⁿ, each sign a fair coin. E zzᵀ = I, and with the smallest fourth moment that allows, so that (zᵀg)·z
/// has the least variance. Spall's choice for SPSA (1992, IEEE Trans. Automatic Control 37:332).
///
/// One random bit an element: the sign of element i is bit i mod 32 of word i / 32 of the direction's stream; 1 is +1.
struct rademacher {
  /// x[i] += a · z(d)[first + i]
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    constexpr std::size_t tile_elements = 32 * random::tile_words;
    random::axpy_by_blocks<tile_elements>(x, a, first, [d](std::uint64_t tile, float* z) {
      std::uint32_t words[random::tile_words];
      random::tile(d, random::stream::perturbation, tile, words);
      for (std::size_t i = 0; i < tile_elements; ++i) z[i] = (words[i / 32] >> i % 32 & 1u) != 0 ? 1.0f : -1.0f;
    });
  }
};

}  // namespace zoft::inline ZOFT_ISA
