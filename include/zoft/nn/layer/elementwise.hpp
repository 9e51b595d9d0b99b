/// Norms and activations: the functions of rows or elements between the matmuls, each with its reference.
///
/// In the error bounds, u = 2⁻²⁴ and l is the number of lanes of a vector. An element's bits do not depend on its
/// place, and y may be the same memory as x.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <span>
#include <vector>

#include "../../core/model_config.hpp"
#include "../../simd/batch.hpp"

namespace zoft::inline ZOFT_ISA::nn {

namespace kernel {

/// The first n numbers at `from`, followed by zeros.
template <class floats>
floats load_part(const float* from, std::size_t n) {
  alignas(64) float lane[floats::size] = {};
  std::copy_n(from, n, lane);
  return floats::load_aligned(lane);
}

/// yᵢ = f(xᵢ, …). The last elements are computed in a vector that is filled up with zeros.
template <class Arch, class Formula, class... X>
void map(std::span<float> y, Formula f, const X*... x) {
  using floats = simd::floats<Arch>;
  std::size_t i = 0;
  for (; i + floats::size <= y.size(); i += floats::size) f(floats::load_unaligned(x + i)...).store_unaligned(&y[i]);
  const std::size_t rest = y.size() - i;
  if (rest == 0) return;
  alignas(64) float last[floats::size];
  f(load_part<floats>(x + i, rest)...).store_aligned(last);
  std::copy_n(last, rest, &y[i]);
}

/// Σ f(xᵢ), summed in each lane first.
template <class Arch, class Formula>
double sum(std::span<const float> x, Formula f) {
  using floats = simd::floats<Arch>;
  floats result(0.0f);
  std::size_t i = 0;
  for (; i + floats::size <= x.size(); i += floats::size) result = result + f(floats::load_unaligned(&x[i]));
  const std::size_t rest = x.size() - i;
  if (rest > 0) {
    // f of the zeros that fill up the vector must not count in the sum.
    alignas(64) float last[floats::size];
    f(load_part<floats>(&x[i], rest)).store_aligned(last);
    result = result + load_part<floats>(last, rest);
  }
  return simd::sum(result);
}

/// x, but the lowest float for −∞, so that −∞·0 gives its limit.
inline double without_infinity(float x) { return std::max<double>(x, std::numeric_limits<float>::lowest()); }

/// yᵢ = f(xᵢ) in double.
template <class Formula>
void map_reference(std::span<const float> x, std::span<float> y, Formula f) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(f(without_infinity(x[i])));
}

/// x limited to [low, high]. NaN stays NaN.
template <class floats>
floats clamp(const floats& x, float low, float high) {
  return xsimd::select(x < floats(low), floats(low), xsimd::select(floats(high) < x, floats(high), x));
}

/// x·σ(z) = x/(1 + e⁻ᶻ)
template <class floats>
floats times_sigmoid(const floats& x, const floats& z) {
  // As floats, e¹⁰⁴ is ∞ and e⁻¹⁰⁴ is 0. −∞ becomes the lowest float, as in the reference.
  constexpr float limit = 104, least = std::numeric_limits<float>::lowest();
  const floats numerator = xsimd::select(x < floats(least), floats(least), x);
  return numerator / (floats(1.0f) + xsimd::exp(-clamp(z, -limit, limit)));
}

}  // namespace kernel

/// yᵢ = gᵢ·xᵢ/√(mean x² + ε): RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467). The reference for `rms_norm`.
inline void rms_norm_reference(std::span<const float> x, std::span<const float> gain, double epsilon,
                               std::span<float> y) {
  double square = 0;
  for (const float value : x) square += double{value} * value;
  const double scale = 1 / std::sqrt(square / static_cast<double>(x.size()) + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(gain[i] * scale * x[i]);
}

/// x (n), gain (n) -> y (n). If Σx² is in float's range, |error| ≤ u·((n/l + l)/2 + 3)·|y|.
template <class Arch = simd::arch>
void rms_norm(std::span<const float> x, std::span<const float> gain, double epsilon, std::span<float> y) {
  using floats = simd::floats<Arch>;
  const double square = kernel::sum<Arch>(x, [](const floats& value) { return value * value; });
  const floats scale(static_cast<float>(1 / std::sqrt(square / static_cast<double>(x.size()) + epsilon)));
  kernel::map<Arch>(
      y, [&](const floats& g, const floats& value) { return g * (scale * value); }, gain.data(), x.data());
}

/// yᵢ = gᵢ·(xᵢ − mean x)/√(var x + ε) + bᵢ with var x = Σ(x − mean x)²/n: layer normalisation (Ba, Kiros and Hinton
/// 2016, arXiv:1607.06450). The reference for `layer_norm`.
inline void layer_norm_reference(std::span<const float> x, std::span<const float> gain, std::span<const float> bias,
                                 double epsilon, std::span<float> y) {
  const auto n = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (const float value : x) mean += value / n;
  for (const float value : x) variance += (value - mean) * (value - mean) / n;
  const double scale = 1 / std::sqrt(variance + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(gain[i] * ((x[i] - mean) * scale) + bias[i]);
}

/// x (n), gain (n), bias (n) -> y (n). If Σx² is in float's range, with B = n/l + l and z = (y − bias)/gain,
///
///     |error| ≤ u·(|gain|·((B/2 + 6)·|z| + B + 2) + |y|)
///
/// as long as the mean is at most 2²⁴/B² standard deviations from 0. If all xᵢ are equal, y is the bias, at least for
/// n·B < 2²⁴.
template <class Arch = simd::arch>
void layer_norm(std::span<const float> x, std::span<const float> gain, std::span<const float> bias, double epsilon,
                std::span<float> y) {
  using floats = simd::floats<Arch>;
  const auto n = static_cast<double>(x.size());
  // The mean's rounding errors grow with the mean, which may be far larger than the deviations. So the mean of the
  // remainders corrects it, and two floats hold the result.
  const auto about = static_cast<float>(kernel::sum<Arch>(x, [](const floats& value) { return value; }) / n);
  const double mean = about + kernel::sum<Arch>(x, [&](const floats& value) { return value - floats(about); }) / n;
  const floats high(static_cast<float>(mean)), low(static_cast<float>(mean - static_cast<float>(mean)));
  const auto centred = [&](const floats& value) { return (value - high) - low; };
  const double square = kernel::sum<Arch>(x, [&](const floats& value) { return centred(value) * centred(value); });
  const floats scale(static_cast<float>(1 / std::sqrt(square / n + epsilon)));
  kernel::map<Arch>(
      y,
      [&](const floats& value, const floats& g, const floats& b) {
        return simd::fma<Arch>(g, centred(value) * scale, b);
      },
      x.data(), gain.data(), bias.data());
}

/// y = x if x ≥ 0, −0 included, else 0. The reference for `relu`.
inline void relu_reference(std::span<const float> x, std::span<float> y) {
  kernel::map_reference(x, y, [](double a) { return a < 0 ? 0 : a; });
}

/// x (n) -> y (n), exactly.
template <class Arch = simd::arch>
void relu(std::span<const float> x, std::span<float> y) {
  using floats = simd::floats<Arch>;
  kernel::map<Arch>(
      y, [](const floats& a) { return xsimd::select(a < floats(0.0f), floats(0.0f), a); }, x.data());
}

/// y = x·σ(x) = x/(1 + e⁻ˣ). The reference for `silu`.
inline void silu_reference(std::span<const float> x, std::span<float> y) {
  kernel::map_reference(x, y, [](double a) { return a / (1 + std::exp(-a)); });
}

/// x (n) -> y (n): |error| ≤ 4u·|y| + 4·10⁻³⁷, where the second term is for e⁻ˣ beyond the largest float.
template <class Arch = simd::arch>
void silu(std::span<const float> x, std::span<float> y) {
  using floats = simd::floats<Arch>;
  kernel::map<Arch>(
      y, [](const floats& a) { return kernel::times_sigmoid(a, a); }, x.data());
}

/// y = x·Φ(x) = x·erfc(−x/√2)/2, where Φ is the normal distribution function: GELU (Hendrycks and Gimpel 2016,
/// arXiv:1606.08415). The reference for `gelu`.
inline void gelu_reference(std::span<const float> x, std::span<float> y) {
  kernel::map_reference(x, y, [](double a) { return a * (std::erfc(-a / std::numbers::sqrt2) / 2); });
}

/// x (n) -> y (n): |error| ≤ u·(11 + 2·min(x, 0)²)·|y| + 10⁻³⁸.
template <class Arch = simd::arch>
void gelu(std::span<const float> x, std::span<float> y) {
  using floats = simd::floats<Arch>;
  const auto of = [](const floats& a) {
    // From erfc, Φ(−|x|) has the relative error of e^(−x²/2), however small it is. In 1 + erf(x/√2) all of it would be
    // lost to cancellation. Beyond 15 it is 0 as a float.
    const floats within = kernel::clamp(a, -15.0f, 15.0f);
    const floats tail = floats(0.5f) * xsimd::erfc(xsimd::abs(within) * floats(1 / std::numbers::sqrt2_v<float>));
    return xsimd::select(a < floats(0.0f), within * tail, a * (floats(1.0f) - tail));
  };
  kernel::map<Arch>(y, of, x.data());
}

/// y = x·(1 + tanh w)/2 = x·σ(2w), w = √(2/π)·(x + 0.044715·x³): the approximation of GELU from the same paper. The
/// reference for `gelu_tanh`.
inline void gelu_tanh_reference(std::span<const float> x, std::span<float> y) {
  const double root = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  kernel::map_reference(x, y, [=](double a) { return a / (1 + std::exp(-2 * root * (a + 0.044715 * a * a * a))); });
}

/// x (n) -> y (n): |error| ≤ u·(5 + 6·|min(w, 0)|)·|y| + 5·10⁻³⁸.
template <class Arch = simd::arch>
void gelu_tanh(std::span<const float> x, std::span<float> y) {
  using floats = simd::floats<Arch>;
  constexpr double twice_root = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;  // 2√(2/π)
  constexpr auto linear = static_cast<float>(twice_root), cubic = static_cast<float>(0.044715 * twice_root);
  const auto of = [](const floats& a) {
    return kernel::times_sigmoid(a, a * simd::fma<Arch>(a * a, floats(cubic), floats(linear)));
  };
  kernel::map<Arch>(y, of, x.data());
}

/// y = silu(gate)·up: SwiGLU (Shazeer 2020, arXiv:2002.05202). The reference for `swiglu`.
inline void swiglu_reference(std::span<const float> gate, std::span<const float> up, std::span<float> y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double a = kernel::without_infinity(gate[i]);
    y[i] = static_cast<float>(a / (1 + std::exp(-a)) * up[i]);
  }
}

/// gate (n), up (n) -> y (n): |error| ≤ 5u·|y| + 4·10⁻³⁷·|up|.
template <class Arch = simd::arch>
void swiglu(std::span<const float> gate, std::span<const float> up, std::span<float> y) {
  using floats = simd::floats<Arch>;
  kernel::map<Arch>(
      y, [](const floats& g, const floats& u) { return kernel::times_sigmoid(g, g) * u; }, gate.data(), up.data());
}

/// x *= y, both (n)
template <class Arch = simd::arch>
void multiply(std::span<float> x, std::span<const float> y) {
  using floats = simd::floats<Arch>;
  kernel::map<Arch>(
      x, [](const floats& a, const floats& b) { return a * b; }, x.data(), y.data());
}

/// x *= factor
template <class Arch = simd::arch>
void scale(std::span<float> x, float factor) {
  using floats = simd::floats<Arch>;
  if (factor == 1) return;
  kernel::map<Arch>(
      x, [&](const floats& a) { return a * floats(factor); }, x.data());
}

/// x = cap·tanh(x/cap), unless cap is 0: |error| ≤ 8u·|x|.
template <class Arch = simd::arch>
void soft_cap(std::span<float> x, float cap) {
  using floats = simd::floats<Arch>;
  if (cap == 0) return;
  kernel::map<Arch>(
      x, [&](const floats& a) { return floats(cap) * xsimd::tanh(a / floats(cap)); }, x.data());
}

/// y = f(x), the activation of that name.
template <class Arch = simd::arch>
void activate(activation f, std::span<const float> x, std::span<float> y) {
  switch (f) {
    case activation::silu:
      return silu<Arch>(x, y);
    case activation::gelu:
      return gelu<Arch>(x, y);
    case activation::gelu_tanh:
      return gelu_tanh<Arch>(x, y);
    case activation::relu:
      return relu<Arch>(x, y);
  }
}

/// x += y, both (n)
template <class Arch = simd::arch>
void add(std::span<float> x, std::span<const float> y) {
  using floats = simd::floats<Arch>;
  kernel::map<Arch>(
      x, [](const floats& a, const floats& b) { return a + b; }, x.data(), y.data());
}

}  // namespace zoft::inline ZOFT_ISA::nn
