/// x ← x + a·z on stored numbers: the one arithmetic for perturbing, restoring and updating.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../core/number.hpp"
#include "../simd/lanes.hpp"
#include "../simd/storage.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// x[i] ← x[i] + a·z[i] for one vector of z. The product and the sum are each rounded (see simd::multiply_add). Narrow
/// storage is widened first and rounded once at the end.
template <number T>
[[gnu::always_inline]] inline void axpy(T* x, arithmetic_t<T> a, simd::f32 z) {
  if constexpr (std::is_same_v<T, double>) {
    constexpr std::size_t width = simd::lanes / 2;
    const simd::f64 scale = a - simd::f64{};
    simd::f64 wide[2];
    simd::widen(z, wide);
#pragma GCC unroll 2
    for (std::size_t i = 0; i < 2; ++i)
      simd::store(x + i * width, simd::multiply_add(scale, wide[i], simd::load<simd::f64>(x + i * width)));
  } else {
    simd::store_narrow(x, simd::multiply_add(simd::splat(a), z, simd::load_wide(x)));
  }
}

/// The same for two vectors of z and consecutive numbers.
template <number T>
[[gnu::always_inline]] inline void axpy(T* x, arithmetic_t<T> a, simd::f32 z0, simd::f32 z1) {
  if constexpr (std::is_same_v<T, double>) {
    axpy(x, a, z0);
    axpy(x + simd::lanes, a, z1);
  } else {
    simd::f32 pair[2];
    simd::load_wide(x, pair);
    pair[0] = simd::multiply_add(simd::splat(a), z0, pair[0]);
    pair[1] = simd::multiply_add(simd::splat(a), z1, pair[1]);
    simd::store_narrow(x, pair);
  }
}

/// Elements processed at a time when z is in memory.
inline constexpr std::size_t axpy_step = 2 * simd::lanes;

/// The same for `axpy_step` numbers, with z in memory.
template <number T, number Z>
[[gnu::always_inline]] inline void axpy(T* x, arithmetic_t<T> a, const Z* z) {
  static_assert(std::is_same_v<T, double> || !std::is_same_v<Z, double>, "z would be rounded before it is used");
  if constexpr (!std::is_same_v<Z, double>) {
    simd::f32 pair[2];
    simd::load_wide(z, pair);
    axpy(x, a, pair[0], pair[1]);
  } else {
    const simd::f64 scale = a - simd::f64{};
#pragma GCC unroll 4
    for (std::size_t i = 0; i < axpy_step; i += simd::lanes / 2)
      simd::store(x + i, simd::multiply_add(scale, simd::load<simd::f64>(z + i), simd::load<simd::f64>(x + i)));
  }
}

/// The same for any number of elements.
template <number T, number Z>
void axpy(std::span<T> x, arithmetic_t<T> a, const Z* z) {
  using A = arithmetic_t<T>;
  std::size_t i = 0;
  for (; i + axpy_step <= x.size(); i += axpy_step) axpy(x.data() + i, a, z + i);
  for (; i < x.size(); ++i) x[i] = T(simd::multiply_add(a, static_cast<A>(z[i]), static_cast<A>(x[i])));
}

/// What to do with a piece of z as it is made: add it to x, or write it to x. Each takes one vector, two consecutive
/// vectors, or any number of elements from memory.
template <number T>
struct added {
  arithmetic_t<T> a;  ///< x ← x + a·z

  [[gnu::always_inline]] void operator()(T* x, simd::f32 z) const { random::axpy(x, a, z); }
  [[gnu::always_inline]] void operator()(T* x, simd::f32 z0, simd::f32 z1) const { random::axpy(x, a, z0, z1); }
  void operator()(std::span<T> x, const float* z) const { random::axpy<T>(x, a, z); }
};
template <class A>
struct written {  ///< x ← z, of float or double
  [[gnu::always_inline]] void operator()(A* x, simd::f32 z) const {
    if constexpr (std::is_same_v<A, double>) {
      simd::f64 wide[2];
      simd::widen(z, wide);
#pragma GCC unroll 2
      for (std::size_t i = 0; i < 2; ++i) simd::store(x + i * simd::lanes / 2, wide[i]);
    } else {
      simd::store(x, z);
    }
  }
  [[gnu::always_inline]] void operator()(A* x, simd::f32 z0, simd::f32 z1) const {
    (*this)(x, z0);
    (*this)(x + simd::lanes, z1);
  }
  void operator()(std::span<A> x, const float* z) const { std::copy_n(z, x.size(), x.data()); }
};

/// g[i] ← a·z[i]: bit for bit what axpy adds to zeros, without writing the zeros first.
template <class A>
void product(std::span<A> g, A a, const A* z) {
  using V = std::conditional_t<std::is_same_v<A, double>, simd::f64, simd::f32>;
  constexpr std::size_t width = simd::register_bytes / sizeof(A);
  const V scale = a - V{};
  std::size_t i = 0;
  for (; i + width <= g.size(); i += width)
    simd::store(g.data() + i, simd::multiply_add(scale, simd::load<V>(z + i), V{}));
  for (; i < g.size(); ++i) g[i] = simd::multiply_add(a, z[i], A{0});
}

}  // namespace zoft::inline ZOFT_ISA::random
