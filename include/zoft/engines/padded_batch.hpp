/// Sequences of one length for engines that take a batch as a matrix.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"

namespace zoft::inline ZOFT_ISA::engines {

/// tokens (B, T) and labels (B, T), row-major. A sequence is padded at its end, where a causal model sees it too late.
/// labels[b, t] is what position t must predict, or `nothing`.
class padded_batch {
 public:
  static constexpr std::int64_t nothing = -1;  ///< the label of what is not predicted

  /// labels[t] is what position t − 1 must predict, as Hugging Face and nn::batch have it; below 0: nothing.
  void add(std::span<const std::int32_t> tokens, std::span<const std::int32_t> labels) {
    require(!tokens.empty() && tokens.size() == labels.size(),
            "padded_batch: a sequence has " + text(tokens.size()) + " tokens and " + text(labels.size()) +
                " labels, and must have as many of each, at least 1");
    if (tokens.size() > length_) widen(tokens.size());
    for (std::size_t t = 0; t < length_; ++t) {
      tokens_.push_back(t < tokens.size() ? tokens[t] : 0);
      labels_.push_back(t + 1 < tokens.size() && labels[t + 1] >= 0 ? labels[t + 1] : nothing);
      predicted_ += labels_.back() != nothing;
    }
  }
  /// All tokens but the first are to be predicted.
  void add(std::span<const std::int32_t> tokens) { add(tokens, tokens); }

  std::size_t size() const { return length_ == 0 ? 0 : tokens_.size() / length_; }  ///< B
  std::size_t length() const { return length_; }                                    ///< T
  std::size_t predicted() const { return predicted_; }                              ///< labels that count
  std::span<const std::int64_t> tokens() const { return tokens_; }                  ///< (B, T)
  std::span<const std::int64_t> labels() const { return labels_; }                  ///< (B, T)

 private:
  void widen(std::size_t length) {
    const auto spread = [&](std::vector<std::int64_t>& rows, std::int64_t filler) {
      std::vector<std::int64_t> wider(size() * length, filler);
      for (std::size_t i = 0; i < size(); ++i)
        std::copy_n(rows.begin() + std::ptrdiff_t(i * length_), length_, wider.begin() + std::ptrdiff_t(i * length));
      rows = std::move(wider);
    };
    if (length_ > 0) {
      // size() counts by tokens_, so these are the last.
      spread(labels_, nothing);
      spread(tokens_, 0);
    }
    length_ = length;
  }

  std::vector<std::int64_t> tokens_, labels_;
  std::size_t length_ = 0, predicted_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::engines
