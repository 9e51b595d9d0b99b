// What the tests of the core share: bits, noise, messages, and problems hard enough to fail.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>
#include <zoft/core/direction.hpp>
#include <zoft/core/number.hpp>
#include <zoft/random/axpy.hpp>
#include <zoft/random/stream.hpp>
#include <zoft/simd/rounding.hpp>

#include "catch.hpp"

namespace core_test {

/// What f complains of.
template <class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no std::invalid_argument was thrown";
}

template <class T>
using pattern = std::conditional_t<
    sizeof(T) == 8, std::uint64_t,
    std::conditional_t<sizeof(T) == 4, std::uint32_t, std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint8_t>>>;

/// The bit patterns, by which NaN equals itself and −0 differs from 0.
template <class T>
std::vector<pattern<T>> bits(const std::vector<T>& x) {
  std::vector<pattern<T>> result;
  for (const T& v : x) result.push_back(std::bit_cast<pattern<T>>(v));
  return result;
}

/// One number of any storage as a double.
template <class T>
double value(T x) {
  return static_cast<double>(static_cast<zoft::arithmetic_t<T>>(x));
}

/// a·b + c, rounded twice: the compiler may not make an fma of it.
template <class A>
A multiply_add(A a, A b, A c) {
  volatile A product = a * b;
  return product + c;
}

/// n elements of z(d), from element `first` on.
template <class A, class Sampler>
std::vector<A> noise(const Sampler& sampler, zoft::direction d, std::size_t n, std::uint64_t first = 0) {
  std::vector<A> z(n, A{0});
  sampler.axpy(std::span<A>(z), A{1}, d, first);
  return z;
}

/// cos 0, cos 1, …: where a function of n numbers is begun at.
inline std::vector<double> cosines(std::size_t n) {
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(std::cos(static_cast<double>(i)));
  return x;
}

/// One number stored as T, moved by a·z as the library promises: widened, multiplied, added, rounded.
template <class T>
T moved(T x, zoft::arithmetic_t<T> a, zoft::arithmetic_t<T> z) {
  using A = zoft::arithmetic_t<T>;
  return T(multiply_add<A>(a, z, static_cast<A>(x)));
}

/// An update's result for element `element`, rounded as the library promises for numbers of 16 bits.
template <class T>
T rounded_update(float value, std::uint64_t seed, std::uint32_t step, std::uint64_t element) {
  const std::uint32_t word =
      zoft::random::word({seed, step, 1}, zoft::random::stream::update_rounding, element / 128 * 64 + element % 64);
  return T(zoft::simd::stochastic<T>::reference(value, element % 128 < 64 ? word & 0xffff : word >> 16));
}

// Not inlined, so that all callers get the same roundings.

template <class T>
[[gnu::noinline]] double sphere(std::span<const T> x) {
  double sum = 0;
  for (const T v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

/// Σ λᵢ (Rx)ᵢ², λ from 1 to `condition` in equal ratios, R turning each coordinate with the next by 1 radian: the
/// minimum is 0, at 0.
template <class T>
[[gnu::noinline]] double ellipsoid(std::span<const T> x, double condition) {
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<double>(x[i]);
  for (std::size_t i = 0; i + 1 < y.size(); ++i) {
    const double a = y[i], b = y[i + 1];
    y[i] = std::cos(1.0) * a - std::sin(1.0) * b;
    y[i + 1] = std::sin(1.0) * a + std::cos(1.0) * b;
  }
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    sum += std::pow(condition, static_cast<double>(i) / static_cast<double>(y.size() - 1)) * y[i] * y[i];
  return sum;
}

/// Σ 100(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²: the minimum is 0, at 1. Rosenbrock 1960.
template <class T>
[[gnu::noinline]] double rosenbrock(std::span<const T> x) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = static_cast<double>(x[i]), b = static_cast<double>(x[i + 1]);
    sum += 100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a);
  }
  return sum;
}

}  // namespace core_test
