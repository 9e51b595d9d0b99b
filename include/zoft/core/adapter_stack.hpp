/// What adapters add to a model, as seen by whoever evaluates it: no owner, no policy, only where the numbers are.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "low_rank.hpp"

namespace zoft::inline ZOFT_ISA {

/// A vector (size) for each group.
struct group_vectors {
  const float* values = nullptr;
  std::size_t stride = 0;  ///< elements from a group's vector to the next one's
  std::size_t size = 0;

  const float* of(std::size_t group) const { return values + group * stride; }
};

/// For each group, keys and values that every token of a sequence attends to before the sequence's own: both (length,
/// width), row-major. Keys are as the queries meet them: rotated, where positions are rotary, as the tokens 0 … length
/// − 1 are. The sequence's own tokens stand at positions from `length` on.
struct group_prefixes {
  const float* keys = nullptr;
  const float* values = nullptr;
  std::size_t stride = 0;  ///< elements from a group's keys to the next one's, and from its values
  std::size_t length = 0;  ///< tokens
  std::size_t width = 0;   ///< of a token's keys, all heads

  const float* keys_of(std::size_t group) const { return keys + group * stride; }
  const float* values_of(std::size_t group) const { return values + group * stride; }
};

/// What one attention of a model makes of some tokens: both (tokens, width), row-major, keys as the queries meet them.
struct attention_state {
  std::string name;  ///< the attention's: model.layers.0.self_attn
  std::vector<float> keys, values;
};

/// All that is added to one model, for size() groups, by the names of what it is added to. What is not named stays as
/// it is.
struct adapter_stack {
  low_rank_stack linears;                          ///< y += s·(xAᵀ)Bᵀ, by the linear's name
  std::map<std::string, group_vectors> biases;     ///< y += b, by the linear's name
  std::map<std::string, group_vectors> gains;      ///< the gain g becomes g + δ, by the norm's name
  std::map<std::string, group_prefixes> prefixes;  ///< by the attention's name

  explicit adapter_stack(std::size_t groups) : linears(groups) {}
  adapter_stack(low_rank_stack of_linears) : linears(std::move(of_linears)) {}
  /// An attached adapter's, as it stands.
  template <class Attached>
  requires requires(const Attached& a) { a.stack(); }
  adapter_stack(const Attached& a) : adapter_stack(a.stack()) {}

  std::size_t size() const { return linears.size(); }

  /// The groups first, first + step, … as a stack of their own, which refers to the same numbers.
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

  bool empty() const { return linears.linears() == 0 && biases.empty() && gains.empty() && prefixes.empty(); }
};

}  // namespace zoft::inline ZOFT_ISA
