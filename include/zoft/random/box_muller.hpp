/// Uniform words to gaussians by vector arithmetic that rounds alike everywhere: Box and Muller 1958, "A note on the
/// generation of random normal deviates".
#pragma once

#include "../simd/lanes.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// From two vectors of words (v, w) two vectors of independent N(0, 1):
///
///     u = (2⌊v/4⌋ + 1)·2⁻³¹    r = √(−2 ln u)    y = int32(w)·2⁻³¹    z₀ = ±r·cos(πy/2)    z₁ = r·sin(πy/2)
///
/// The sign is the last bit of w; y runs over [−1, 1], so that cos and sin need no reduction. |z| ≤ √(62 ln 2) = 6.56.
/// u and y are rounded to 24 bits; against the exact transform of these |error| < 2e-6. Rounding u moves z by at most
/// 2⁻¹², and that only where u is within 2⁻²⁴ of 1.
[[gnu::always_inline]] inline void box_muller(simd::u32 v, simd::u32 w, simd::f32& z0, simd::f32& z1) {
  using simd::f32, simd::i32, simd::u32, simd::multiply_add, simd::rounded, simd::splat;

  // −2 ln u = −2 ln 2·e − 2 ln(1 + t), with u = 2ᵉ(1 + t) and t in [−1/3, 1/3).
  const u32 two_thirds = splat(std::uint32_t{0x3f2aaaabu});
  const f32 scaled = __builtin_convertvector((i32)(v >> 1 | 1u), f32);  // 2³¹·u
  const u32 offset = (u32)scaled - two_thirds - (31u << 23);
  const f32 e = __builtin_convertvector((i32)offset >> 23, f32);
  const f32 t = rounded<f32>((f32)((offset & 0x7fffffu) + two_thirds) - 1.0f);
  // −2 ln(1 + t)/t, minimax in relative error: 1.7e-7.
  f32 p = splat(0.3073098957538605f);
  p = multiply_add(p, t, splat(-0.3422236144542694f));
  p = multiply_add(p, t, splat(0.32840248942375183f));
  p = multiply_add(p, t, splat(-0.39590075612068176f));
  p = multiply_add(p, t, splat(0.5001524090766907f));
  p = multiply_add(p, t, splat(-0.6667597889900208f));
  p = multiply_add(p, t, splat(0.9999987483024597f));
  p = multiply_add(p, t, splat(-1.9999996423721313f));
  const f32 r = simd::square_root(multiply_add(e, splat(-1.3862943611198906f), rounded<f32>(p * t)));

  const f32 y = __builtin_convertvector((i32)w, f32) * 0x1p-31f;
  const f32 q = rounded<f32>(y * y);
  f32 s = splat(0.00015082056052051485f);  // sin(πy/2)/y, minimax in absolute error of the sine: 3.4e-9
  s = multiply_add(s, q, splat(-0.004672227893024683f));
  s = multiply_add(s, q, splat(0.07968848198652267f));
  s = multiply_add(s, q, splat(-0.6459633708000183f));
  s = multiply_add(s, q, splat(1.570796251296997f));
  f32 c = splat(0.0008581905858591199f);  // cos(πy/2), minimax in absolute error: 4.7e-8
  c = multiply_add(c, q, splat(-0.020810628309845924f));
  c = multiply_add(c, q, splat(0.2536507546901703f));
  c = multiply_add(c, q, splat(-1.2336982488632202f));
  c = multiply_add(c, q, splat(0.9999999403953552f));

  z0 = rounded<f32>((f32)((u32)r ^ w << 31) * c);
  z1 = rounded<f32>(r * rounded<f32>(s * y));
}

}  // namespace zoft::inline ZOFT_ISA::random
