#pragma once

#include "box_muller.hpp"
#include "drawn.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// Independent N(0, 1). The words w₀ … w₃ of a block give four gaussians: two from (w₀, w₁) and two from (w₂, w₃). See
/// box_muller for tails and errors.
class normal {
 public:
  static constexpr std::size_t steps = box_muller::steps;
  [[gnu::always_inline]] explicit normal(const block_words& words)
      : pair_{{words.w[0], words.w[1]}, {words.w[2], words.w[3]}} {}
  [[gnu::always_inline]] void step(std::size_t i) {
#pragma GCC unroll 2
    for (box_muller& p : pair_) p.step(i);
  }
  [[gnu::always_inline]] void finish(simd::f32 (&z)[4]) const {
    pair_[0].finish(z[0], z[1]);
    pair_[1].finish(z[2], z[3]);
  }

 private:
  box_muller pair_[2];
};

/// z ~ N(0, 1)ⁿ for direction d.
inline drawn<normal> gaussian_direction(direction d) { return {d, stream::perturbation}; }

}  // namespace zoft::inline ZOFT_ISA::random
