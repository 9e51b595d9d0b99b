/// Rotary position embeddings (Su et al. 2021, arXiv:2104.09864).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "../../core/model_config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// cos and sin of position·base^(−2i/dims)/divisors[i], times the amplitude, for i < dims/2, computed in double.
class rotary {
 public:
  rotary() = default;
  rotary(std::size_t context, std::size_t dims, double base, rope pairing, std::span<const double> divisors = {},
         double amplitude = 1)
      : half_(dims / 2), pairing_(pairing), amplitude_(amplitude), table_(std::min(context, most_in_table)) {
    for (std::size_t i = 0; i < half_; ++i) {
      const double power = -2.0 * static_cast<double>(i) / static_cast<double>(dims);
      frequencies_.push_back(std::pow(base, power) / (divisors.empty() ? 1.0 : divisors[i]));
    }
    cosine_.resize(table_ * half_);
    sine_.resize(table_ * half_);
    for (std::size_t position = 0; position < table_; ++position)
      compute(position, cosine_.data() + position * half_, sine_.data() + position * half_);
  }

  /// Rotates the first dims elements of each of n heads, `stride` apart, in place: each pair (a, b) becomes
  /// (a·cos − b·sin, a·sin + b·cos).
  void rotate(float* x, std::size_t position, std::size_t n = 1, std::size_t stride = 0) const {
    const float *c = nullptr, *s = nullptr;
    if (position < table_) {
      c = cosine_.data() + position * half_;
      s = sine_.data() + position * half_;
    } else {
      static thread_local std::vector<float> both;
      both.resize(2 * half_);
      compute(position, both.data(), both.data() + half_);
      c = both.data();
      s = c + half_;
    }
    for (std::size_t head = 0; head < n; ++head, x += stride) {
      if (pairing_ == rope::interleaved)
        for (std::size_t i = 0; i < half_; ++i) turn(x[2 * i], x[2 * i + 1], c[i], s[i]);
      else
        for (std::size_t i = 0; i < half_; ++i) turn(x[i], x[i + half_], c[i], s[i]);
    }
  }

 private:
  // A context may have a million positions, and few sequences do. Later angles are computed when they are asked for.
  static constexpr std::size_t most_in_table = 8192;

  void compute(std::size_t position, float* cosine, float* sine) const {
    for (std::size_t i = 0; i < half_; ++i) {
      const double angle = static_cast<double>(position) * frequencies_[i];
      cosine[i] = static_cast<float>(amplitude_ * std::cos(angle));
      sine[i] = static_cast<float>(amplitude_ * std::sin(angle));
    }
  }
  static void turn(float& first, float& second, float c, float s) {
    const float a = first, b = second;
    first = a * c - b * s;
    second = a * s + b * c;
  }

  std::size_t half_ = 0;
  rope pairing_ = rope::half_split;
  double amplitude_ = 1;
  std::size_t table_ = 0;  // positions
  std::vector<double> frequencies_;
  std::vector<float> cosine_, sine_;
};

/// The angles of all layers of a model.
class model_angles {
 public:
  explicit model_angles(const config& c) : c_(c) {
    if (!c.rotates()) return;
    const std::size_t dims = c.rotary_dims == 0 ? c.head_dim : c.rotary_dims;
    const auto make = [&](double base, std::span<const double> divisors, double amplitude) {
      return rotary(c.context, dims, base, c.pairing, divisors, amplitude);
    };
    usual_ = make(c.rope_base, c.scaling.divisors, c.scaling.amplitude);
    if (!c.scaling.long_divisors.empty()) long_ = make(c.rope_base, c.scaling.long_divisors, c.scaling.amplitude);
    if (std::any_of(c.pattern.begin(), c.pattern.end(), [](const layer_config& l) { return l.local; }))
      local_ = make(c.local_rope_base, {}, 1);
  }

  /// Those of a layer, for a token of a sequence of that length; nullptr if the layer rotates nothing.
  const rotary* of(std::size_t layer, std::size_t length) const {
    const layer_config l = c_.layer(layer);
    if (!c_.rotates() || !l.rotary) return nullptr;
    if (l.local) return &local_;
    return !c_.scaling.long_divisors.empty() && length > c_.scaling.long_after ? &long_ : &usual_;
  }

 private:
  config c_;
  rotary usual_, long_, local_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
