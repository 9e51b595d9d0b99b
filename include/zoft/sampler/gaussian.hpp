#pragma once

#include "../random/axpy.hpp"
#include "../random/box_muller.hpp"
#include "../random/stream.hpp"

namespace zoft::inline ZOFT_ISA {

/// z ~ N(0, 1)ⁿ, each element by itself. E zzᵀ = I, so that E (zᵀg)·z = g for any g.
///
/// Elements 64t … 64t + 63 are made of the 64 words of tile t: with its four vectors of 16 words w₀ … w₃ they are, in
/// this order, both gaussians of (w₀, w₁) and both of (w₂, w₃) (see random::box_muller for tails and errors).
struct gaussian {
  /// x[i] += a · z(d)[first + i]
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    const random::source words(d, random::stream::perturbation);
    random::axpy_by_blocks<random::tile_words>(x, a, first, [&words](std::uint64_t tile, float* z) {
      for (std::size_t lane = 0; lane < random::tile_blocks; lane += simd::lanes) {
        const auto b = words.blocks(tile * random::tile_blocks + lane);
        simd::f32 out[4];
        random::box_muller(b.w[0], b.w[1], out[0], out[1]);
        random::box_muller(b.w[2], b.w[3], out[2], out[3]);
        for (std::size_t j = 0; j < 4; ++j) simd::store(z + j * random::tile_blocks + lane, out[j]);
      }
    });
  }
};

}  // namespace zoft::inline ZOFT_ISA
