/// Directions whose elements are computed from those of others, a chunk at a time, in float.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "drawn.hpp"

namespace zoft::inline ZOFT_ISA::random {

inline constexpr std::size_t formed_at_once = 2048;

/// x[i] += a · z[first + i], where form(z, first) adds elements first, first + 1, … of z to a span of zeros. If a is 0,
/// x keeps every bit. Errors as in drawn::axpy.
template <number T, class Form>
void axpy_formed(std::span<T> x, arithmetic_t<T> a, std::uint64_t first, std::uint64_t elements, Form form) {
  check_axpy(x.size(), a, first, elements);
  if (a == 0) return;
  for (std::size_t i = 0; i < x.size(); i += formed_at_once) {
    const std::size_t n = std::min(formed_at_once, x.size() - i);
    float z[formed_at_once];
    std::fill_n(z, n, 0.0f);
    form(std::span<float>(z, n), first + i);
    random::axpy<T>(x.subspan(i, n), a, z);
  }
}

/// z ← z ⊙ by, each product rounded.
inline void multiply(std::span<float> z, const float* by) {
  std::size_t i = 0;
  for (; i + simd::lanes <= z.size(); i += simd::lanes)
    simd::store(z.data() + i,
                simd::rounded<simd::f32>(simd::load<simd::f32>(z.data() + i) * simd::load<simd::f32>(by + i)));
  for (; i < z.size(); ++i) z[i] = simd::rounded<float>(z[i] * by[i]);
}

}  // namespace zoft::inline ZOFT_ISA::random
