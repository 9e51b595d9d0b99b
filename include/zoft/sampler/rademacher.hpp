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
    simd::u32 to_sign{};  // how far bit i of a word is from the sign of lane i
    for (std::size_t lane = 0; lane < simd::lanes; ++lane) to_sign[lane] = static_cast<std::uint32_t>(31 - lane);
    random::axpy_by_blocks<tile_elements>(x, a, first, [d, to_sign](std::uint64_t tile, float* z) {
      std::uint32_t words[random::tile_words];
      random::tile(d, random::stream::perturbation, tile, words);
      for (const std::uint32_t word : words)
        for (std::size_t bit = 0; bit < 32; bit += simd::lanes, z += simd::lanes) {
          const simd::u32 minus = simd::splat(~word >> bit) << to_sign & 0x80000000u;
          simd::store(z, minus | 0x3f800000u);  // ±1
        }
    });
  }
};

}  // namespace zoft::inline ZOFT_ISA
