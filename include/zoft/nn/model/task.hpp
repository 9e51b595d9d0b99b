/// A task: the part of a batch that is computed at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
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
  std::optional<kept_rows> kept;        // of the only sequence, if it has a token pattern: `tokens` are these rows'
  std::span<const std::int32_t> among;  // the batch's

  const kept_rows* rows() const { return kept ? &*kept : nullptr; }

  /// Returns the number of labels that it adds.
  std::size_t add(const batch::sequence& one, bool causal) {
    const std::size_t begin = tokens.size(), before = labels.size();
    for (std::size_t t = 1; t < one.labels.size(); ++t)
      if (one.labels[t] != ignored) {
        predicting.push_back(begin + t - causal);
        labels.push_back(one.labels[t]);
      }
    const bool none = predicting.empty() || predicting.back() < begin;
    const std::size_t end = none ? begin : causal ? predicting.back() + 1 : begin + one.tokens.size();
    tokens.insert(tokens.end(), one.tokens.begin(), one.tokens.begin() + static_cast<std::ptrdiff_t>(end - begin));
    ends.push_back(end);
    if (one.pattern != nullptr) keep(*one.pattern);
    return labels.size() - before;
  }

 private:
  void keep(const token_pattern& pattern) {
    kept.emplace(pattern, tokens.size(), predicting);
    const std::vector<std::size_t>& rows = kept->positions;
    for (std::size_t i = 0; i < rows.size(); ++i) tokens[i] = tokens[rows[i]];
    tokens.resize(rows.size());
    ends.back() = rows.size();
    for (std::size_t& t : predicting)
      t = static_cast<std::size_t>(std::lower_bound(rows.begin(), rows.end(), t) - rows.begin());
  }
};

/// Splits the batch into tasks, in order. Each has at most `most_tokens` tokens, or a single sequence, as one with a
/// pattern is.
inline std::vector<task> tasks_of(const batch& b, std::size_t most_tokens, bool causal) {
  std::vector<task> result;
  for (std::size_t i = 0, label = 0; i < b.size(); ++i) {
    if (result.empty() || b[i].pattern != nullptr || result.back().kept ||
        result.back().ends.back() + b[i].tokens.size() > most_tokens) {
      result.emplace_back().first_label = label;
      result.back().among = b.among();
    }
    label += result.back().add(b[i], causal);
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
