/// What adapters add to a model, as seen by the code that evaluates it: pointers and sizes only, no ownership.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "low_rank.hpp"

namespace zoft::inline ZOFT_ISA {

/// One vector (size) for each group.
struct group_vectors {
  const float* values = nullptr;  ///< of the first group
  std::size_t stride = 0;         ///< elements from one group's vector to the next
  std::size_t size = 0;           ///< elements of a vector

  const float* of(std::size_t group) const { return values + group * stride; }  ///< the group's vector
};

/// For each group, keys and values that every token of a sequence attends to before the sequence's own: both (length,
/// width), row-major. The keys are stored as the queries meet them: with rotary positions they are already rotated, as
/// those of tokens 0 … length − 1. The sequence's own tokens start at position `length`.
struct group_prefixes {
  const float* keys = nullptr;    ///< of the first group
  const float* values = nullptr;  ///< of the first group
  std::size_t stride = 0;         ///< elements from one group's keys to the next, and from its values to the next
  std::size_t length = 0;         ///< tokens
  std::size_t width = 0;          ///< elements of one token's keys, all heads

  const float* keys_of(std::size_t group) const { return keys + group * stride; }      ///< (length, width)
  const float* values_of(std::size_t group) const { return values + group * stride; }  ///< (length, width)
};

/// The keys and values that one attention computes for some tokens: both (tokens, width), row-major, keys as the
/// queries meet them.
struct attention_state {
  std::string name;                 ///< of the attention: model.layers.0.self_attn
  std::vector<float> keys, values;  ///< (tokens, width)
};

/// Everything that is added to one model, for size() groups. Each addition is stored under the name of what it is added
/// to; what has no entry stays as it is.
struct adapter_stack {
  low_rank_stack linears;                          ///< y += s·(xAᵀ)Bᵀ, by the linear's name
  std::map<std::string, group_vectors> biases;     ///< y += b, by the linear's name
  std::map<std::string, group_vectors> gains;      ///< the gain g becomes g + δ, by the norm's name
  std::map<std::string, group_prefixes> prefixes;  ///< by the attention's name

  /// Adds nothing to any of the groups.
  explicit adapter_stack(std::size_t groups) : linears(groups) {}
  /// Adds to linears only.
  adapter_stack(low_rank_stack of_linears) : linears(std::move(of_linears)) {}
  /// The stack of an attached adapter, in its current state.
  template <class Attached>
  requires requires(const Attached& a) { a.stack(); }
  adapter_stack(const Attached& a) : adapter_stack(a.stack()) {}

  std::size_t size() const { return linears.size(); }  ///< groups

  /// A stack of the groups first, first + step, …, which refers to the same numbers.
  adapter_stack every(std::size_t step, std::size_t first) const {
    adapter_stack result(linears.every(step, first));
    result.biases = biases;
    result.gains = gains;
    result.prefixes = prefixes;
    for (auto* const vectors : {&result.biases, &result.gains})
      for (auto& [name, v] : *vectors) v = {v.of(first), v.stride * step, v.size};
    for (auto& [name, p] : result.prefixes)
      p = {p.keys_of(first), p.values_of(first), p.stride * step, p.length, p.width};
    return result;
  }

  /// Whether nothing is added.
  bool empty() const { return linears.linears() == 0 && biases.empty() && gains.empty() && prefixes.empty(); }
};

}  // namespace zoft::inline ZOFT_ISA
