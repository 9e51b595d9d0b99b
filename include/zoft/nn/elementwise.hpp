/// What happens to each row, or each element, between the matmuls. Each with its reference.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>
#include <vector>

#include "../simd/batch.hpp"
#include "config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// yᵢ = gᵢ·xᵢ/√(mean x² + ε): RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467). The reference for `rms_norm`.
inline void rms_norm_reference(std::span<const float> x, std::span<const float> gain, double epsilon,
                               std::span<float> y) {
  double square = 0;
  for (const float value : x) square += double{value} * value;
  const double scale = 1 / std::sqrt(square / static_cast<double>(x.size()) + epsilon);
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(gain[i] * scale * x[i]);
}

/// x (n), gain (n) -> y (n)
template <class Arch = simd::arch>
void rms_norm(std::span<const float> x, std::span<const float> gain, double epsilon, std::span<float> y) {
  using floats = simd::floats<Arch>;
  const std::size_t whole = x.size() - x.size() % floats::size;
  floats squares(0.0f);
  for (std::size_t i = 0; i < whole; i += floats::size) {
    const floats value = floats::load_unaligned(&x[i]);
    squares = xsimd::fma(value, value, squares);
  }
  double square = simd::sum(squares);
  for (std::size_t i = whole; i < x.size(); ++i) square += double{x[i]} * x[i];
  const float scale = static_cast<float>(1 / std::sqrt(square / static_cast<double>(x.size()) + epsilon));
  for (std::size_t i = 0; i < whole; i += floats::size)
    (floats::load_unaligned(&gain[i]) * (floats(scale) * floats::load_unaligned(&x[i]))).store_unaligned(&y[i]);
  for (std::size_t i = whole; i < x.size(); ++i) y[i] = gain[i] * (scale * x[i]);
}

/// cos and sin of position·base^(−2i/d) for positions [0, context) and i < d/2: the angles of rotary position
/// embeddings (Su et al. 2021, arXiv:2104.09864), computed in double.
class rotary {
 public:
  rotary() = default;
  rotary(std::size_t context, std::size_t head_dim, double base, rope pairing)
      : half_(head_dim / 2), pairing_(pairing) {
    for (std::size_t position = 0; position < context; ++position)
      for (std::size_t i = 0; i < half_; ++i) {
        const double power = -2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
        const double angle = static_cast<double>(position) * std::pow(base, power);
        cosine_.push_back(static_cast<float>(std::cos(angle)));
        sine_.push_back(static_cast<float>(std::sin(angle)));
      }
  }

  /// Rotates one head x (d) in place: each pair (a, b) becomes (a·cos − b·sin, a·sin + b·cos).
  void rotate(float* x, std::size_t position) const {
    const float* c = cosine_.data() + position * half_;
    const float* s = sine_.data() + position * half_;
    const bool interleaved = pairing_ == rope::interleaved;
    for (std::size_t i = 0; i < half_; ++i) {
      float& first = x[interleaved ? 2 * i : i];
      float& second = x[interleaved ? 2 * i + 1 : i + half_];
      const float a = first, b = second;
      first = a * c[i] - b * s[i];
      second = a * s[i] + b * c[i];
    }
  }

 private:
  std::size_t half_ = 0;
  rope pairing_ = rope::half_split;
  std::vector<float> cosine_, sine_;
};

/// y = silu(gate)·up, silu(a) = a/(1 + e⁻ᵃ): SwiGLU (Shazeer 2020, arXiv:2002.05202). The reference for `swiglu`.
inline void swiglu_reference(std::span<const float> gate, std::span<const float> up, std::span<float> y) {
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] = static_cast<float>(gate[i] / (1 + std::exp(-double{gate[i]})) * up[i]);
}

/// gate (n), up (n) -> y (n)
template <class Arch = simd::arch>
void swiglu(std::span<const float> gate, std::span<const float> up, std::span<float> y) {
  using floats = simd::floats<Arch>;
  const std::size_t whole = y.size() - y.size() % floats::size;
  const auto of = [](const floats& g, const floats& u) { return g / (floats(1.0f) + xsimd::exp(-g)) * u; };
  for (std::size_t i = 0; i < whole; i += floats::size)
    of(floats::load_unaligned(&gate[i]), floats::load_unaligned(&up[i])).store_unaligned(&y[i]);
  if (whole == y.size()) return;
  alignas(64) float last[2][floats::size] = {};
  std::copy(gate.begin() + static_cast<std::ptrdiff_t>(whole), gate.end(), last[0]);
  std::copy(up.begin() + static_cast<std::ptrdiff_t>(whole), up.end(), last[1]);
  of(floats::load_aligned(last[0]), floats::load_aligned(last[1])).store_aligned(last[0]);
  std::copy_n(last[0], y.size() - whole, &y[whole]);
}

/// x += y, both (n)
template <class Arch = simd::arch>
void add(std::span<float> x, std::span<const float> y) {
  using floats = simd::floats<Arch>;
  const std::size_t whole = x.size() - x.size() % floats::size;
  for (std::size_t i = 0; i < whole; i += floats::size)
    (floats::load_unaligned(&x[i]) + floats::load_unaligned(&y[i])).store_unaligned(&x[i]);
  for (std::size_t i = whole; i < x.size(); ++i) x[i] += y[i];
}

}  // namespace zoft::inline ZOFT_ISA::nn
