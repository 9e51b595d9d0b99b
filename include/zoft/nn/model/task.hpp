/// A task: the part of a batch that is computed at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "batch.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Concatenated sequences. In a causal model, the token before a label predicts it, and sequences are cut off after the
/// last such token. In others, the token in the label's place does.
struct task {
  std::size_t first_label = 0;  // index of the first label, among all labels that count
  std::vector<std::int32_t> tokens, labels;
  std::vector<std::size_t> ends, predicting;  // ends of the sequences, and indices of the tokens that predict a label
  std::shared_ptr<const token_pattern> pattern;  // of the only sequence
  std::span<const std::int32_t> among;           // the batch's

  /// Returns the number of labels that it adds.
  std::size_t add(const batch::sequence& one, bool causal) {
    const std::size_t begin = tokens.size(), before = labels.size();
    for (std::size_t t = 1; t < one.labels.size(); ++t)
      if (one.labels[t] != ignored) {
        predicting.push_back(begin + t - causal);
        labels.push_back(one.labels[t]);
      }
    pattern = one.pattern;
    const bool none = predicting.empty() || predicting.back() < begin;
    const std::size_t end = none ? begin : causal ? predicting.back() + 1 : begin + one.tokens.size();
    tokens.insert(tokens.end(), one.tokens.begin(), one.tokens.begin() + static_cast<std::ptrdiff_t>(end - begin));
    ends.push_back(end);
    return labels.size() - before;
  }
};

/// Splits the batch into tasks, in order. Each has at most `most_tokens` tokens, or a single sequence, as one with a
/// pattern is.
inline std::vector<task> tasks_of(const batch& b, std::size_t most_tokens, bool causal) {
  std::vector<task> result;
  for (std::size_t i = 0, label = 0; i < b.size(); ++i) {
    if (result.empty() || b[i].pattern != nullptr || result.back().pattern != nullptr ||
        result.back().ends.back() + b[i].tokens.size() > most_tokens) {
      result.emplace_back().first_label = label;
      result.back().among = b.among();
    }
    label += result.back().add(b[i], causal);
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
