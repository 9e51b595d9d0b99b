/// The additions that a stack of adapters makes to each part of a decoder.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/adapter_stack.hpp"
#include "../../core/layout.hpp"
#include "decoder.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct model_additions {
  std::vector<block_additions> blocks;  ///< one per block, or empty if nothing is added
  end_additions ends;

  /// The stack's numbers must outlive this. Throws if the stack has no groups, if it adapts a linear, norm or attention
  /// that the model does not have or has in another shape, or if the prefixes do not cover all attentions with one
  /// length.
  model_additions(const weights& w, const layout& linears, const layout& norms, const adapter_stack& stack) {
    require(stack.size() > 0, "transformer: there are 0 adapters, and must be at least 1");
    if (stack.empty()) return;
    for (std::size_t i = 0; i < stack.linears.linears(); ++i) {
      const std::string_view name = stack.linears.name(i);
      if (name == w.embedding_name || (name == w.head_name && !w.has_tied_head())) continue;
      check_known(name, linears, "linear");
    }
    for (const auto& [name, bias] : stack.biases) check_known(name, linears, "linear");
    for (const auto& [name, gains] : stack.gains) check_known(name, norms, "norm");
    if (!stack.prefixes.empty()) check_prefixes(w, stack);
    for (const block& b : w.blocks) blocks.emplace_back(b, stack);
    ends = end_additions(w, stack);
  }

  std::size_t prefix_length() const { return blocks.empty() ? 0 : blocks[0].prefix.length; }

  /// A cache for a decoder of the shape c, with weights of that type, before its first token. It holds the prefix of
  /// group 0, if there is one.
  cache begin(const config& c, dtype weights) const {
    const key_values none(c.kv_heads, c.head_dim, key_type(weights, prefix_length()));
    cache result{std::vector(c.layers, none), prefix_length()};
    for (std::size_t i = 0; i < blocks.size(); ++i) put_prefix(blocks[i].prefix, 0, result.blocks[i]);
    return result;
  }

  /// The number of blocks before the first addition. The last block never counts. Without additions it is 0.
  std::size_t first_adapted() const {
    if (!ends.embedding.empty() || !ends.embedding_norm.empty()) return 0;
    const auto first = std::find_if(blocks.begin(), blocks.end(), [](const auto& a) { return !a.empty(); });
    if (first == blocks.end()) return blocks.empty() ? 0 : blocks.size() - 1;
    return static_cast<std::size_t>(first - blocks.begin());
  }

 private:
  static void check_known(std::string_view name, const layout& all, const std::string& kind) {
    if (std::none_of(all.begin(), all.end(), [&](const tensor& t) { return t.name == name; }))
      fail("adapter: '" + std::string(name) + "' is adapted, and the model has no " + kind + " of that name, but '" +
           all.begin()->name + "' for instance");
  }

  static void check_prefixes(const weights& w, const adapter_stack& stack) {
    const std::size_t length = stack.prefixes.begin()->second.length;
    if (stack.prefixes.size() != w.blocks.size())
      fail("adapter: " + text(stack.prefixes.size()) + " attentions have a prefix, and the model has " +
           text(w.blocks.size()));
    for (const block& b : w.blocks) {
      const auto found = stack.prefixes.find(b.attention);
      const std::size_t width = (b.qkv.weight.out() - b.output.weight.in()) / 2;
      if (found == stack.prefixes.end()) fail("adapter: '" + b.attention + "' has no prefix, and others have one");
      if (found->second.width != width || found->second.length != length || length == 0)
        fail("adapter: the prefix of '" + b.attention + "' is " + text(found->second.length) + " by " +
             text(found->second.width) + ", and must be " +
             (length == 0 ? "of at least 1 token" : text(length) + " by " + text(width)));
    }
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn
