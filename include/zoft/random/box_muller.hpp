/// Turns uniform words into gaussians, with vector arithmetic that rounds alike everywhere: Box and Muller 1958, "A
/// note on the generation of random normal deviates".
#pragma once

#include "../simd/lanes.hpp"

namespace zoft::inline ZOFT_ISA::random {

using simd::multiply_add, simd::rounded, simd::splat;

/// Makes two vectors of independent N(0, 1) from two vectors of words (v, w):
///
///     u = (2⌊v/4⌋ + 1)·2⁻³¹    r = √(−2 ln u)    y = int32(w)·2⁻³¹    z₀ = ±r·cos(πy/2)    z₁ = r·sin(πy/2)
///
/// The sign is the last bit of w. y runs over [−1, 1], so cos and sin need no reduction. |z| ≤ √(62 ln 2) = 6.56. u and
/// y are rounded to 24 bits; compared with the exact transform of the rounded values, |error| < 2e-6. Rounding u moves
/// z by at most 2⁻¹², and only where u is within 2⁻²⁴ of 1.
///
/// The work is split into steps, so that independent work can be interleaved with it.
class box_muller {
  using f32 = simd::f32;

 public:
  static constexpr std::size_t steps = 8;

  [[gnu::always_inline]] box_muller(simd::u32 v, simd::u32 w) : w_(w) {
    // −2 ln u = −2 ln 2·e − 2 ln(1 + t), with u = 2ᵉ(1 + t) and t in [−1/3, 1/3).
    const simd::u32 two_thirds = splat(std::uint32_t{0x3f2aaaabu});
    const f32 scaled = __builtin_convertvector(reinterpret_cast<simd::i32>(v >> 1 | 1u), f32);  // 2³¹·u
    const simd::u32 offset = reinterpret_cast<simd::u32>(scaled) - two_thirds - (31u << 23);
    e_ = __builtin_convertvector(reinterpret_cast<simd::i32>(offset) >> 23, f32);
    t_ = rounded<f32>(reinterpret_cast<f32>((offset & 0x7fffffu) + two_thirds) - 1.0f);
    y_ = __builtin_convertvector(reinterpret_cast<simd::i32>(w), f32) * 0x1p-31f;
    q_ = rounded<f32>(y_ * y_);
    log_ = splat(log_series[0]);
    sin_ = splat(sin_series[0]);
    cos_ = splat(cos_series[0]);
  }

  /// Step i of 0 … steps − 1: at most one term of each polynomial; the last step takes the root.
  [[gnu::always_inline]] void step(std::size_t i) {
    if (i < 7) log_ = multiply_add(log_, t_, splat(log_series[i + 1]));
    if (i < 4) sin_ = multiply_add(sin_, q_, splat(sin_series[i + 1]));
    if (i >= 3 && i < 7) cos_ = multiply_add(cos_, q_, splat(cos_series[i - 2]));
    if (i == 7) r_ = simd::square_root(multiply_add(e_, splat(-1.3862943611198906f), rounded<f32>(log_ * t_)));
  }

  [[gnu::always_inline]] void finish(f32& z0, f32& z1) const {
    z0 = rounded<f32>(reinterpret_cast<f32>(reinterpret_cast<simd::u32>(r_) ^ w_ << 31) * cos_);
    z1 = rounded<f32>(r_ * rounded<f32>(sin_ * y_));
  }

 private:
  // −2 ln(1 + t)/t, minimax in relative error: 1.7e-7.
  static constexpr float log_series[] = {0.3073098957538605f,   -0.3422236144542694f, 0.32840248942375183f,
                                         -0.39590075612068176f, 0.5001524090766907f,  -0.6667597889900208f,
                                         0.9999987483024597f,   -1.9999996423721313f};
  // sin(πy/2)/y, minimax in absolute error of the sine: 3.4e-9.
  static constexpr float sin_series[] = {0.00015082056052051485f, -0.004672227893024683f, 0.07968848198652267f,
                                         -0.6459633708000183f, 1.570796251296997f};
  // cos(πy/2), minimax in absolute error: 4.7e-8.
  static constexpr float cos_series[] = {0.0008581905858591199f, -0.020810628309845924f, 0.2536507546901703f,
                                         -1.2336982488632202f, 0.9999999403953552f};

  simd::u32 w_;
  f32 e_, t_, y_, q_, log_, sin_, cos_, r_;
};

}  // namespace zoft::inline ZOFT_ISA::random
