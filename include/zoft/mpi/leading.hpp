/// What ranks know of candidates: the type of their numbers, and the first few of them.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "../concepts.hpp"
#include "../core/adapter_stack.hpp"
#include "../core/candidates.hpp"
#include "../core/low_rank.hpp"
#include "../core/weight_points.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// The type of the numbers that are trained, X: a span, a model that keeps its weights, or else an adapter's own.
template <class X>
struct number_of {
  using type = float;
};
template <class T, std::size_t N>
struct number_of<std::span<T, N>> {
  using type = std::remove_const_t<T>;
};
template <weighted_model X>
struct number_of<X> {
  using type = typename X::weight_type;
};

// The first n of c, which refer to the same numbers.

template <class T>
candidates<T> leading(const candidates<T>& c, std::size_t n) {
  return {c.stack().data(), n, c.dimension()};
}
inline low_rank_stack leading(const low_rank_stack& c, std::size_t n) {
  low_rank_stack result(n);
  for (std::size_t i = 0; i < c.linears(); ++i) result.add(c.name(i), *c.find(c.name(i)));
  return result;
}
inline adapter_stack leading(const adapter_stack& c, std::size_t n) {
  adapter_stack result(leading(c.linears, n));
  result.biases = c.biases;
  result.gains = c.gains;
  result.prefixes = c.prefixes;
  return result;
}
template <number T>
weight_points<T> leading(weight_points<T> c, std::size_t n) {
  c.points.resize(n);
  return c;
}

/// What can be divided so.
template <class Shown>
concept divisible = requires(const Shown& c, std::size_t n) {
  { leading(c, n) } -> std::same_as<Shown>;
};

}  // namespace zoft::inline ZOFT_ISA::mpi
