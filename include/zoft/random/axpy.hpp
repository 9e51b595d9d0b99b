/// x ← x + a·z on stored numbers: the one arithmetic that perturbs, restores and updates.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>

#include "../number.hpp"
#include "../simd/lanes.hpp"

namespace zoft::inline ZOFT_ISA {

/// What arithmetic on numbers stored as T is done in: double for double, float for float, bfloat16 and half.
template <class T>
using arithmetic_t = std::conditional_t<std::is_same_v<T, double>, double, float>;

template <class T>
concept number =
    std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, bfloat16> || std::is_same_v<T, half>;

namespace random {

inline constexpr std::size_t block_elements = 64;

/// x[i] ← x[i] + a·z[i], the product and the sum each rounded (see simd::multiply_add); narrow storage is widened first
/// and rounded once at the end.
template <number T, class Z>
void axpy(std::span<T> x, arithmetic_t<T> a, const Z* z) {
  using A = arithmetic_t<T>;
  if constexpr (std::is_same_v<T, A>) {
    using V = std::conditional_t<std::is_same_v<T, float>, simd::f32, simd::f64>;
    constexpr std::size_t width = sizeof(V) / sizeof(T);
    std::size_t i = 0;
    const V scale = a - V{};
    for (; i + width <= x.size(); i += width) {
      V direction{};
      if constexpr (std::is_same_v<T, Z>) {
        direction = simd::load<V>(z + i);
      } else {
        for (std::size_t j = 0; j < width; ++j) direction[j] = static_cast<T>(z[i + j]);
      }
      simd::store(x.data() + i, simd::multiply_add(scale, direction, simd::load<V>(x.data() + i)));
    }
    for (; i < x.size(); ++i) x[i] = simd::multiply_add(a, static_cast<A>(z[i]), x[i]);
  } else {
    A wide[block_elements];
    for (std::size_t i = 0; i < x.size(); i += block_elements) {
      const std::size_t n = x.size() - i < block_elements ? x.size() - i : block_elements;
      for (std::size_t j = 0; j < n; ++j) wide[j] = static_cast<A>(x[i + j]);
      axpy<A>(std::span<A>(wide, n), a, z + i);
      for (std::size_t j = 0; j < n; ++j) x[i + j] = T(wide[j]);
    }
  }
}

/// The same for z that comes in blocks of `Elements`: x[i] += a·z[first + i], where make(block, z) fills z with
/// elements Elements·block … Elements·block + Elements − 1. Any piece of z, at any offset, has the same bits.
template <std::size_t Elements, number T, class Make>
void axpy_by_blocks(std::span<T> x, arithmetic_t<T> a, std::uint64_t first, Make make) {
  alignas(64) float z[Elements];
  for (std::size_t i = 0; i < x.size();) {
    const std::uint64_t at = first + i;
    const auto skip = static_cast<std::size_t>(at % Elements);
    const std::size_t n = Elements - skip < x.size() - i ? Elements - skip : x.size() - i;
    make(at / Elements, z);
    axpy<T>(x.subspan(i, n), a, z + skip);
    i += n;
  }
}

}  // namespace random
}  // namespace zoft::inline ZOFT_ISA
