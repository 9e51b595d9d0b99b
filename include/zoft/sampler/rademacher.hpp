#pragma once

#include "../random/drawn.hpp"

namespace zoft::inline ZOFT_ISA {

namespace random {

/// Random signs, one bit each: the sign of element i is bit i mod 32 of word i / 32 of the direction's stream; 1 is +1.
class signs {
 public:
  explicit signs(direction d, stream s = stream::perturbation) : words_(d, s) {
    for (std::size_t lane = 0; lane < simd::lanes; ++lane) to_sign_[lane] = static_cast<std::uint32_t>(31 - lane);
  }

  /// x[i] += a · z[first + i]; a = 0 and errors as in drawn::axpy.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
    check_axpy(x.size(), a, first);
    if (a != 0) each(x, first, added<T>{a});
  }

  /// x[i] = z[first + i], in float or double; errors as above.
  template <class A>
  void draw(std::span<A> x, std::uint64_t first = 0) const {
    check_axpy(x.size(), 1, first);
    each(x, first, written<A>());
  }

 private:
  /// Calls f (`added` or `written`) for all of x.
  template <class T, class F>
  void each(std::span<T> x, std::uint64_t first, F f) const {
    source words = words_;
    for_each_tile<32 * tile_words>(x, first, [&](std::uint64_t tile, std::size_t skip, std::span<T> in_tile) {
      std::uint32_t word[tile_words];
      words.tile(tile, word);
      for_each_tile<32>(in_tile, skip, [&](std::uint64_t w, std::size_t bit, std::span<T> in_word) {
        if (in_word.size() == 32) {
          for (std::size_t i = 0; i < 32; i += 2 * simd::lanes)
            f(in_word.data() + i, vector(word[w] >> i), vector(word[w] >> (i + simd::lanes)));
        } else {
          float z[32];
          for (std::size_t i = 0; i < 32; i += simd::lanes) simd::store(z + i, vector(word[w] >> i));
          f(in_word, z + bit);
        }
      });
    });
  }

  /// ±1 from the lowest bits, one bit a lane.
  [[gnu::always_inline]] simd::f32 vector(std::uint32_t bits) const {
    return reinterpret_cast<simd::f32>((splat(~bits) << to_sign_ & 0x80000000u) | 0x3f800000u);
  }

  source words_;
  u32 to_sign_{};  // shift that takes bit i of a word to the sign of lane i
};

}  // namespace random

/// z ∈ {−1, +1}ⁿ, each sign a fair coin. E zzᵀ = I with the smallest possible fourth moment, so (zᵀg)·z has the least
/// variance. Spall's choice for SPSA (1992, IEEE Trans. Automatic Control 37:332).
struct rademacher {
  /// z(d)
  auto at(direction d) const { return random::signs(d); }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
