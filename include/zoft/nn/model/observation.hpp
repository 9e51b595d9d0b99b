/// What a forward lets others see.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "../layer/attention.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// What is called as the blocks of a model are computed for one sequence. Whatever is empty is not made.
struct observation {
  /// What each block of 64 keys is worth to the rows of the sequence, in this layer: Σ max(0, maxⱼ s_ij) over rows i
  /// and heads, where j goes over its keys that row i sees, and s are the scores before the softmax (LeMo: Wang et al.
  /// 2025, arXiv:2501.09767; here causal, and with rotated queries and keys).
  std::function<void(std::size_t layer, std::span<const double> scores)> key_scores = {};

  void tell(std::size_t layer, std::span<const std::int64_t> block_scores) const {
    if (!key_scores) return;
    std::vector<double> scores(block_scores.size());
    std::transform(block_scores.begin(), block_scores.end(), scores.begin(),
                   [](std::int64_t score) { return static_cast<double>(score) / double{score_unit}; });
    key_scores(layer, scores);
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn
