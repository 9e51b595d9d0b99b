/// What a token's logits say of the token that came.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../simd/batch.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct token_score {
  double nll = 0;          ///< −ln p(label), nats
  std::int32_t best = -1;  ///< the token of the greatest logit, the first of equals; −1 where a logit is NaN
};

/// nll = ln Σ exp(xᵢ) − x_label. The reference for `cross_entropy`.
inline token_score cross_entropy_reference(std::span<const float> logits, std::size_t label) {
  const auto greatest = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x} - *greatest);
  return {std::log(sum) + *greatest - logits[label], static_cast<std::int32_t>(greatest - logits.begin())};
}

/// logits (vocabulary). Exponentials in float, their sum in double.
template <class Arch = simd::arch>
token_score cross_entropy(std::span<const float> logits, std::size_t label) {
  using floats = simd::floats<Arch>;
  float greatest = logits[0];
  std::int32_t best = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) return {std::numeric_limits<double>::quiet_NaN(), -1};
    if (logits[i] > greatest) {
      greatest = logits[i];
      best = static_cast<std::int32_t>(i);
    }
  }
  const std::size_t whole = logits.size() - logits.size() % floats::size;
  double sum = 0;
  for (std::size_t i = 0; i < whole; i += floats::size)
    sum += simd::sum(xsimd::exp(floats::load_unaligned(&logits[i]) - floats(greatest)));
  for (std::size_t i = whole; i < logits.size(); ++i) sum += std::exp(double{logits[i]} - greatest);
  return {std::log(sum) + greatest - logits[label], best};
}

}  // namespace zoft::inline ZOFT_ISA::nn
