/// What a forward lets others see.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "../../core/observations.hpp"
#include "../layer/attention.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Where rows of what a block's linears are given and give are written to. A part without an entry is not shown.
struct shown_block {
  static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

  observations::entry *qkv = nullptr, *output = nullptr, *gate_up = nullptr, *down = nullptr;
  std::span<const std::size_t> slots = {};  ///< of each token: its place in the entries, or nowhere

  /// Rows x and y of these tokens; y begins with output `first`. If there is room for gradients, outputs are kept there
  /// until these are made.
  void show(observations::entry* to, std::span<const std::size_t> tokens, rows_of<const float> x,
            rows_of<const float> y, std::size_t first = 0) const {
    if (to == nullptr) return;
    for (std::size_t row = 0; row < tokens.size(); ++row) {
      const std::size_t slot = slots[tokens[row]];
      if (slot == nowhere) continue;
      std::copy_n(x.at(row).data, to->in, to->input(slot).data());
      const std::span<const float> outputs(y.at(row).data, to->out - first);
      to->note_outputs(slot, outputs, first);
      if (to->gradients != nullptr) std::copy(outputs.begin(), outputs.end(), to->gradient(slot).data() + first);
    }
  }
};

/// What is called as the blocks of a model are computed for one sequence. Whatever is empty is not made.
struct observation {
  /// What each block of 64 keys is worth to the rows of the sequence, in this layer: Σ max(0, maxⱼ s_ij) over rows i
  /// and heads, where j goes over its keys that row i sees, and s are the scores before the softmax (LeMo: Wang et al.
  /// 2025, arXiv:2501.09767; here causal, and with rotated queries and keys).
  std::function<void(std::size_t layer, std::span<const double> scores)> key_scores = {};

  /// Of each block; none: nothing is shown.
  std::span<const shown_block> blocks = {};

  void tell(std::size_t layer, std::span<const std::int64_t> block_scores) const {
    if (!key_scores) return;
    std::vector<double> scores(block_scores.size());
    std::transform(block_scores.begin(), block_scores.end(), scores.begin(),
                   [](std::int64_t score) { return static_cast<double>(score) / double{score_unit}; });
    key_scores(layer, scores);
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn
