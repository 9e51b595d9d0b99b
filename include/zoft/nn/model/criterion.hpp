/// What is minimised: one number of a batch's scores.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include "../layer/cross_entropy.hpp"
#include "batch.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// All are 0 at best. A label is right where it is the token of the greatest logit, the lowest of equals, given all
/// labels before it (teacher forcing). The latter two have no gradient, which nothing here asks for: the
/// non-differentiable objectives of Malladi et al. 2023, arXiv:2305.17333.
enum class criterion {
  loss,         ///< the mean of −ln p(label) over all labels of a batch, in nats
  accuracy,     ///< 1 − the share of labels that are right
  exact_match,  ///< 1 − the share of sequences all of whose labels are right, of those that have labels
};

/// How many of a batch's labels, or sequences, a criterion is the mean over.
inline double counted(criterion c, const batch& b) {
  if (c != criterion::exact_match) return static_cast<double>(b.predicted());
  std::size_t with_labels = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto labels = b[i].labels.subspan(1);
    with_labels += std::any_of(labels.begin(), labels.end(), [](std::int32_t l) { return l != ignored; });
  }
  return static_cast<double>(with_labels);
}

/// Of the batch's scores, one for each label that counts, in the batch's order. NaN where a score is of logits that are
/// not numbers.
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
