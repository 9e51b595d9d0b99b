/// Cross-entropy: the loss of a label under its logits, and the token that the logits rank first.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "../../simd/batch.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct token_score {
  double nll = 0;          ///< −ln p(label), nats
  std::int32_t best = -1;  ///< the token with the greatest logit, the first of equals; −1 if a logit is NaN
};

/// nll = ln Σ exp(xᵢ) − x_label. The reference for `cross_entropy`.
inline token_score cross_entropy_reference(std::span<const float> logits, std::size_t label) {
  const auto greatest = std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x} - *greatest);
  return {std::log(sum) + *greatest - logits[label], static_cast<std::int32_t>(greatest - logits.begin())};
}

/// The same for logits that come one block of the vocabulary at a time. It sums exp(xᵢ − greatest so far) and rescales
/// the sum when a greater logit comes. Exponentials are float, their sum is double.
class running_cross_entropy {
 public:
  /// label < vocabulary
  explicit running_cross_entropy(std::size_t label) : label_(label) {}

  /// Adds the logits of the tokens from `first` on.
  template <class Arch = simd::arch>
  void add(std::span<const float> logits, std::size_t first) {
    using floats = simd::floats<Arch>;
    if (label_ - first < logits.size()) label_logit_ = logits[label_ - first];
    const std::size_t whole = logits.size() - logits.size() % floats::size;
    floats greatest_lanes(-std::numeric_limits<float>::infinity()), zero(0.0f);
    for (std::size_t i = 0; i < whole; i += floats::size) {
      const floats x = floats::load_unaligned(&logits[i]);
      greatest_lanes = xsimd::max(greatest_lanes, x);
      zero = zero + xsimd::select(x == x, floats(0.0f), floats(1.0f));
    }
    float greatest = simd::greatest<Arch>(greatest_lanes);
    bool number = simd::sum<Arch>(zero) == 0;
    for (std::size_t i = whole; i < logits.size(); ++i) {
      number = number && !std::isnan(logits[i]);
      greatest = std::max(greatest, logits[i]);
    }
    if (!number) nan_ = true;
    if (nan_ || greatest == -std::numeric_limits<float>::infinity()) return;
    if (greatest > greatest_) {
      best_ = static_cast<std::int32_t>(first) +
              static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), greatest) - logits.begin());
      sum_ *= std::exp(double{greatest_} - greatest);
      greatest_ = greatest;
    }
    // The lanes are summed once every 16 vectors, not after each one.
    constexpr std::size_t together = 16 * floats::size;
    for (std::size_t i = 0; i < whole; i += together) {
      floats sum(0.0f);
      for (std::size_t j = i; j < std::min(i + together, whole); j += floats::size)
        sum = sum + xsimd::exp(floats::load_unaligned(&logits[j]) - floats(greatest_));
      sum_ += simd::sum<Arch>(sum);
    }
    for (std::size_t i = whole; i < logits.size(); ++i) sum_ += std::exp(double{logits[i]} - greatest_);
  }

  token_score result() const {
    if (nan_) return {std::numeric_limits<double>::quiet_NaN(), -1};
    return {std::log(sum_) + greatest_ - label_logit_, best_};
  }

 private:
  std::size_t label_;
  float label_logit_ = 0, greatest_ = -std::numeric_limits<float>::infinity();
  double sum_ = 0;
  std::int32_t best_ = -1;
  bool nan_ = false;
};

/// The logits of tokens from `first` on become −∞, but for those of `among`, which is in ascending order; empty means
/// all.
inline void leave_only(std::span<const std::int32_t> among, std::span<float> logits, std::size_t first) {
  if (among.empty()) return;
  auto next = std::lower_bound(among.begin(), among.end(), static_cast<std::int32_t>(first));
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const bool is_next = next != among.end() && static_cast<std::size_t>(*next) == first + i;
    if (!is_next) logits[i] = -std::numeric_limits<float>::infinity();
    while (next != among.end() && static_cast<std::size_t>(*next) == first + i) ++next;
  }
}

/// logits (vocabulary)
template <class Arch = simd::arch>
token_score cross_entropy(std::span<const float> logits, std::size_t label) {
  running_cross_entropy all(label);
  all.add<Arch>(logits, 0);
  return all.result();
}

}  // namespace zoft::inline ZOFT_ISA::nn
