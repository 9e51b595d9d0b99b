/// The criteria that training can minimise, each one number per batch.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include "../layer/cross_entropy.hpp"
#include "batch.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// All are 0 at best. A label is right if it is the token with the greatest logit (the lowest of equals), given
/// all labels before it (teacher forcing). accuracy and exact_match have no gradient, and nothing here needs one: they
/// are the non-differentiable objectives of Malladi et al. 2023, arXiv:2305.17333.
enum class criterion {
  loss,         ///< the mean of −ln p(label) over all labels of a batch, in nats
  accuracy,     ///< 1 − the share of labels that are right
  exact_match,  ///< 1 − the share of sequences with all labels right, among those that have labels
};

/// The number of labels, or sequences, of a batch that the criterion averages over.
inline double counted(criterion c, const batch& b) {
  if (c != criterion::exact_match) return static_cast<double>(b.predicted());
  std::size_t with_labels = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto labels = b[i].labels.subspan(1);
    with_labels += std::any_of(labels.begin(), labels.end(), [](std::int32_t l) { return l != ignored; });
  }
  return static_cast<double>(with_labels);
}

/// The criterion's value for a batch. `scores` holds one score per label that counts, in the batch's order. NaN if any
/// score comes from logits that are NaN.
inline double value_of(criterion c, const batch& b, std::span<const token_score> scores) {
  double sum = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const std::span<const std::int32_t> labels = b[i].labels;
    const std::size_t first = at;
    bool all = true;
    for (std::size_t t = 1; t < labels.size(); ++t) {
      if (labels[t] == ignored) continue;
      const token_score& score = scores[at++];
      if (score.best < 0) return std::numeric_limits<double>::quiet_NaN();
      const bool right = score.best == labels[t];
      all = all && right;
      if (c == criterion::loss) sum += score.nll;
      if (c == criterion::accuracy) sum += !right;
    }
    if (c == criterion::exact_match && at > first) sum += !all;
  }
  return sum / counted(c, b);
}

}  // namespace zoft::inline ZOFT_ISA::nn
