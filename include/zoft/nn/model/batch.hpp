/// A batch of sequences with labels, of any lengths, concatenated without padding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "token_pattern.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The label of a token that is not to be predicted.
inline constexpr std::int32_t ignored = -100;

/// labels[t] is what position t − 1 of a decoder must predict: usually token t itself, or `ignored`. The first label of
/// a sequence is never used, because nothing comes before it. This is Hugging Face's convention: the shift is made
/// here, not by the caller. In an encoder labels[t] is the word in place of token t, which is usually the mask.
class batch {
 public:
  struct sequence {
    std::span<const std::int32_t> tokens, labels;
    std::shared_ptr<const token_pattern> pattern = {};  ///< which tokens take part in which block; none: all of them
  };

  void add(std::span<const std::int32_t> tokens, std::span<const std::int32_t> labels,
           std::shared_ptr<const token_pattern> pattern = {}) {
    require(!tokens.empty(), "batch: a sequence has no tokens");
    require(tokens.size() == labels.size(), "batch: a sequence has " + text(tokens.size()) + " tokens and " +
                                                text(labels.size()) + " labels, and must have as many of each");
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    labels_.insert(labels_.end(), labels.begin(), labels.end());
    ends_.push_back(tokens_.size());
    patterns_.push_back(std::move(pattern));
    for (std::size_t t = 1; t < labels.size(); ++t) predicted_ += labels[t] != ignored;
  }
  void add(const sequence& one) { add(one.tokens, one.labels, one.pattern); }
  /// All tokens but the first are to be predicted.
  void add(std::span<const std::int32_t> tokens) { add(tokens, tokens); }

  /// Labels compete with these tokens alone, in place of all of the vocabulary: the loss of a label is −ln p(label)/Σ p
  /// over them, as where a text is classified by a word.
  void among(std::vector<std::int32_t> tokens) {
    std::sort(tokens.begin(), tokens.end());
    among_ = std::move(tokens);
  }
  std::span<const std::int32_t> among() const { return among_; }  ///< in ascending order; none: all tokens

  std::size_t size() const { return ends_.size(); }      ///< sequences
  std::size_t tokens() const { return tokens_.size(); }  ///< of all sequences
  std::size_t predicted() const { return predicted_; }   ///< labels that count, of all sequences

  sequence operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {std::span(tokens_).subspan(begin, ends_[i] - begin), std::span(labels_).subspan(begin, ends_[i] - begin),
            patterns_[i]};
  }

 private:
  std::vector<std::int32_t> tokens_, labels_, among_;
  std::vector<std::size_t> ends_;
  std::vector<std::shared_ptr<const token_pattern>> patterns_;
  std::size_t predicted_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::nn
