/// Numbers that carry their derivative along one direction: forward-mode differentiation. A function that is written
/// for any number type, and finds sqrt, exp, max … by argument-dependent lookup (`using std::exp; exp(x)`), returns its
/// directional derivative along with its value.
#pragma once

#include <cmath>
#include <compare>
#include <concepts>
#include <numbers>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// value + derivative·δ, with δ² = 0. Comparisons compare the values only. At a kink the derivative is that of one
/// side: abs takes the right-hand one at 0, and min and max take that of their first argument if both are equal, as in
/// the standard library.
template <std::floating_point T>
struct dual {
  T value = 0;       ///< of the function so far
  T derivative = 0;  ///< along the direction that is followed

  constexpr dual() = default;
  /// A constant: its derivative is 0.
  constexpr dual(T constant) : value(constant) {}
  /// v + d·δ
  constexpr dual(T v, T d) : value(v), derivative(d) {}

  /// Arithmetic: (a + b)′ = a′ + b′, (a·b)′ = a′b + ab′, (a/b)′ = (a′ − (a/b)·b′)/b.
  /// @{
  constexpr dual& operator+=(const dual& b) { return *this = *this + b; }
  constexpr dual& operator-=(const dual& b) { return *this = *this - b; }
  constexpr dual& operator*=(const dual& b) { return *this = *this * b; }
  constexpr dual& operator/=(const dual& b) { return *this = *this / b; }

  friend constexpr dual operator+(const dual& a) { return a; }
  friend constexpr dual operator-(const dual& a) { return {-a.value, -a.derivative}; }
  friend constexpr dual operator+(const dual& a, const dual& b) {
    return {a.value + b.value, a.derivative + b.derivative};
  }
  friend constexpr dual operator-(const dual& a, const dual& b) {
    return {a.value - b.value, a.derivative - b.derivative};
  }
  friend constexpr dual operator*(const dual& a, const dual& b) {
    return {a.value * b.value, a.derivative * b.value + a.value * b.derivative};
  }
  friend constexpr dual operator/(const dual& a, const dual& b) {
    const T ratio = a.value / b.value;
    return {ratio, (a.derivative - ratio * b.derivative) / b.value};
  }

  /// @}

  /// Of the values.
  /// @{
  friend constexpr bool operator==(const dual& a, const dual& b) { return a.value == b.value; }
  friend constexpr auto operator<=>(const dual& a, const dual& b) { return a.value <=> b.value; }

  /// @}

  /// f(x) and f′(x)·x′
  /// @{
  friend dual sqrt(const dual& x) {
    const T root = std::sqrt(x.value);
    return {root, x.derivative / (2 * root)};
  }
  friend dual exp(const dual& x) {
    const T power = std::exp(x.value);
    return {power, power * x.derivative};
  }
  friend dual expm1(const dual& x) { return {std::expm1(x.value), std::exp(x.value) * x.derivative}; }
  friend dual log(const dual& x) { return {std::log(x.value), x.derivative / x.value}; }
  friend dual log1p(const dual& x) { return {std::log1p(x.value), x.derivative / (1 + x.value)}; }
  friend dual sin(const dual& x) { return {std::sin(x.value), std::cos(x.value) * x.derivative}; }
  friend dual cos(const dual& x) { return {std::cos(x.value), -std::sin(x.value) * x.derivative}; }
  friend dual tan(const dual& x) {
    const T t = std::tan(x.value);
    return {t, (1 + t * t) * x.derivative};
  }
  friend dual asin(const dual& x) {
    return {std::asin(x.value), x.derivative / std::sqrt((1 - x.value) * (1 + x.value))};
  }
  friend dual acos(const dual& x) {
    return {std::acos(x.value), -x.derivative / std::sqrt((1 - x.value) * (1 + x.value))};
  }
  friend dual atan(const dual& x) { return {std::atan(x.value), x.derivative / (1 + x.value * x.value)}; }
  friend dual sinh(const dual& x) { return {std::sinh(x.value), std::cosh(x.value) * x.derivative}; }
  friend dual cosh(const dual& x) { return {std::cosh(x.value), std::sinh(x.value) * x.derivative}; }
  friend dual tanh(const dual& x) {
    const T t = std::tanh(x.value);
    return {t, (1 - t) * (1 + t) * x.derivative};
  }
  friend dual erf(const dual& x) {
    const T slope = 2 * std::numbers::inv_sqrtpi_v<T> * std::exp(-x.value * x.value);
    return {std::erf(x.value), slope * x.derivative};
  }

  /// @}

  /// The base may have any sign if the exponent is constant (its derivative is 0).
  friend dual pow(const dual& x, const dual& y) {
    const T power = std::pow(x.value, y.value);
    T slope = 0;
    if (y.value != 0) slope += y.value * std::pow(x.value, y.value - 1) * x.derivative;
    if (y.derivative != 0) slope += power * std::log(x.value) * y.derivative;
    return {power, slope};
  }

  /// The derivative of the side that the class names.
  /// @{
  friend constexpr dual abs(const dual& x) { return x.value < 0 ? -x : x; }
  friend constexpr dual fabs(const dual& x) { return abs(x); }
  friend constexpr dual min(const dual& a, const dual& b) { return b < a ? b : a; }
  friend constexpr dual max(const dual& a, const dual& b) { return a < b ? b : a; }
  /// @}
};

}  // namespace zoft::inline ZOFT_ISA
