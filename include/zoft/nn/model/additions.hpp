/// The additions of a stack of adapters to a decoder's blocks, norms, embedding and head.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "../../random/axpy.hpp"
#include "../layer/key_values.hpp"
#include "weights.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The gains g + δ of a norm in each of G groups. Empty if the stack adds nothing to them.
class group_gains {
 public:
  group_gains() = default;
  group_gains(const norm& to, const adapter_stack& stack) : size_(to.gain.size()) {
    const auto found = stack.gains.find(to.name);
    if (to.empty() || found == stack.gains.end()) return;
    if (found->second.size != size_)
      fail("adapter: " + text(found->second.size) + " gains are added to '" + to.name + "', which has " + text(size_));
    for (std::size_t g = 0; g < stack.size(); ++g)
      std::transform(to.gain.begin(), to.gain.end(), found->second.of(g), std::back_inserter(values_), std::plus{});
  }

  bool empty() const { return values_.empty(); }
  std::span<const float> of(std::size_t group) const { return std::span(values_).subspan(group * size_, size_); }

 private:
  std::size_t size_ = 0;
  std::vector<float> values_;
};

/// What keys and values are kept as behind a prefix of that length, if the weights are `type`: a prefix is perturbed,
/// by less than bfloat16 keeps of it.
inline dtype key_type(dtype type, std::size_t prefix_length) { return prefix_length > 0 ? dtype::f32 : type; }

/// Puts the group's prefix before the first token.
inline void put_prefix(const group_prefixes& p, std::size_t group, key_values& to) {
  if (p.length == 0) return;
  to.resize(p.length);
  to.write(0, {p.keys_of(group), p.width}, {p.values_of(group), p.width}, p.length);
}

/// The additions to one block.
struct block_additions {
  addition qkv, output, gate_up, down;
  group_gains attention_norm, attention_added_norm, attention_stream_norm, mlp_norm, mlp_added_norm, mlp_stream_norm;
  group_prefixes prefix;

  block_additions() = default;
  /// The stack's numbers must outlive this.
  block_additions(const block& to, const adapter_stack& stack)
      : qkv(to.qkv, stack),
        output(to.output, stack),
        gate_up(to.gate_up, stack),
        down(to.down, stack),
        attention_norm(to.attention_norm, stack),
        attention_added_norm(to.attention_added_norm, stack),
        attention_stream_norm(to.attention_stream_norm, stack),
        mlp_norm(to.mlp_norm, stack),
        mlp_added_norm(to.mlp_added_norm, stack),
        mlp_stream_norm(to.mlp_stream_norm, stack) {
    const auto found = stack.prefixes.find(to.attention);
    if (found != stack.prefixes.end()) prefix = found->second;
  }

  bool empty() const {
    return qkv.empty() && output.empty() && gate_up.empty() && down.empty() && attention_norm.empty() &&
           attention_added_norm.empty() && attention_stream_norm.empty() && mlp_norm.empty() &&
           mlp_added_norm.empty() && mlp_stream_norm.empty() && prefix.length == 0;
  }
};

/// The addition to an embedding's rows in each of G groups: E[t] + s·B_g[t]A_g, which is row t of the matrix that a
/// linear with these weights would multiply by. Empty if the stack adds nothing.
class row_addition {
 public:
  row_addition() = default;
  row_addition(const packed_matrix& to, const std::string& name, const adapter_stack& stack) {
    const low_rank* const found = stack.linears.find(name);
    if (found == nullptr) return;
    if (found->in != to.in() || found->out != to.out())
      fail("adapter: '" + name + "' is adapted as " + text(found->out) + " by " + text(found->in) + ", and is " +
           text(to.out()) + " by " + text(to.in()));
    of_ = *found;
  }

  bool empty() const { return of_.rank == 0; }

  /// Adds the group's addition for `token` to the token's row (in).
  void add(std::size_t group, std::size_t token, std::span<float> row) const {
    const float* const b = of_.b_of(group) + token * of_.rank;
    for (std::size_t i = 0; i < of_.rank; ++i)
      random::axpy<float>(row, of_.scale_of(group) * b[i], of_.a_of(group) + i * of_.in);
  }

 private:
  low_rank of_;
};

/// The additions outside the blocks: to the embedding, the final norm and the head.
struct end_additions {
  row_addition embedding;
  group_gains embedding_norm, final_norm;
  addition head;

  end_additions() = default;
  /// The stack's numbers must outlive this.
  end_additions(const weights& to, const adapter_stack& stack)
      : embedding(to.embedding, to.embedding_name, stack),
        embedding_norm(to.embedding_norm, stack),
        final_norm(to.final_norm, stack),
        head(to.output(),
             std::vector<linear::part>{{to.has_tied_head() ? to.embedding_name : to.head_name, 0, to.output().out()}},
             stack) {}
};

}  // namespace zoft::inline ZOFT_ISA::nn
