#pragma once

#include "drawn.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// Makes (2k + 1)·2⁻²⁴ − 1 from the upper 24 bits k of each word: uniform on 2²⁴ points that lie evenly and
/// symmetrically in (−1, 1). Nothing is rounded, odd moments are 0, and the variance is (1 − 2⁻⁴⁸)/3.
class symmetric {
 public:
  static constexpr std::size_t steps = 0;
  [[gnu::always_inline]] explicit symmetric(const block_words& words) : words_(words) {}
  [[gnu::always_inline]] void step(std::size_t) {}
  [[gnu::always_inline]] void finish(simd::f32 (&z)[4]) const {
    for (std::size_t j = 0; j < 4; ++j) {
      const u32 twice_plus_one = words_.w[j] >> 8 << 1 | 1u;
      z[j] = __builtin_convertvector(reinterpret_cast<simd::i32>(twice_plus_one) - (1 << 24), simd::f32) * 0x1p-24f;
    }
  }

 private:
  block_words words_;
};

}  // namespace zoft::inline ZOFT_ISA::random
