/// Moving averages of estimates and of their squares, element by element, and the direction that Adam makes from them.
#pragma once

#include <type_traits>

#include "update.hpp"

namespace zoft::inline ZOFT_ISA::update {

/// Covers the numbers 0 … n − 1 with calls f(i, type_identity<V>). V is a vector of the numbers from i on; at the end,
/// where no whole vector is left, it is A, a single number.
template <class A, class F>
void for_each_vector(std::size_t n, F f) {
  using vector = std::conditional_t<std::is_same_v<A, double>, simd::f64, simd::f32>;
  constexpr std::size_t width = sizeof(vector) / sizeof(A);
  std::size_t i = 0;
  for (; i + width <= n; i += width) f(i, std::type_identity<vector>{});
  for (; i < n; ++i) f(i, std::type_identity<A>{});
}

/// average (n) ← β·average + (1 − β)·g
template <class A>
void average(std::span<const A> g, double beta, A* average) {
  const A keep = static_cast<A>(beta), add = static_cast<A>(1 - beta);
  for_each_vector<A>(g.size(), [&]<class V>(std::size_t i, std::type_identity<V>) {
    const V fresh = simd::rounded<V>(add * simd::load<V>(g.data() + i));
    simd::store(average + i, simd::multiply_add<V>(keep - V{}, simd::load<V>(average + i), fresh));
  });
}

/// average (n) ← β·average + (1 − β)·g², element by element.
template <class A>
void average_of_squares(std::span<const A> g, double beta, A* average) {
  const A keep = static_cast<A>(beta), add = static_cast<A>(1 - beta);
  for_each_vector<A>(g.size(), [&]<class V>(std::size_t i, std::type_identity<V>) {
    const V value = simd::load<V>(g.data() + i);
    const V fresh = simd::rounded<V>(add * simd::rounded<V>(value * value));
    simd::store(average + i, simd::multiply_add<V>(keep - V{}, simd::load<V>(average + i), fresh));
  });
}

/// g (n) ← m·of_m / (√(v·of_v) + stability), element by element.
template <class A>
void normalise(std::span<A> g, const A* m, double of_m, const A* v, double of_v, double stability) {
  const A by_m = static_cast<A>(of_m), by_v = static_cast<A>(of_v), least = static_cast<A>(stability);
  for_each_vector<A>(g.size(), [&]<class V>(std::size_t i, std::type_identity<V>) {
    const V root = simd::square_root(simd::rounded<V>(by_v * simd::load<V>(v + i)));
    simd::store(g.data() + i, simd::rounded<V>(by_m * simd::load<V>(m + i)) / simd::rounded<V>(root + least));
  });
}

}  // namespace zoft::inline ZOFT_ISA::update
