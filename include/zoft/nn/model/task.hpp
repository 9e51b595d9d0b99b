/// What of a batch is computed at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "batch.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Sequences one behind another, each without what comes after the last token that predicts a label.
struct task {
  std::size_t first_label = 0;  // of all labels that count
  std::vector<std::int32_t> tokens, labels;
  std::vector<std::size_t> ends, predicting;  // of sequences; and the tokens before the labels

  /// Returns how many labels it has.
  std::size_t add(const batch::sequence& one) {
    const std::size_t begin = tokens.size(), before = labels.size();
    for (std::size_t t = 1; t < one.labels.size(); ++t)
      if (one.labels[t] != ignored) {
        predicting.push_back(begin + t - 1);
        labels.push_back(one.labels[t]);
      }
    const std::size_t end = predicting.empty() || predicting.back() < begin ? begin : predicting.back() + 1;
    tokens.insert(tokens.end(), one.tokens.begin(), one.tokens.begin() + static_cast<std::ptrdiff_t>(end - begin));
    ends.push_back(end);
    return labels.size() - before;
  }
};

/// The batch's sequences in order, as many together as have at most so many tokens, or one.
inline std::vector<task> tasks_of(const batch& b, std::size_t most_tokens) {
  std::vector<task> result;
  for (std::size_t i = 0, label = 0; i < b.size(); ++i) {
    if (result.empty() || result.back().ends.back() + b[i].tokens.size() > most_tokens)
      result.emplace_back().first_label = label;
    label += result.back().add(b[i]);
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
