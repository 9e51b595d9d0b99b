/// A decoder's weights, as they are read from a checkpoint.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "../../core/layout.hpp"
#include "../../core/model_config.hpp"
#include "../../io/checkpoint.hpp"
#include "weights.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct loaded_weights {
  weights values;
  zoft::layout linears;  ///< what adapters attach to, (out, in), by Hugging Face's names
  zoft::layout norms;    ///< a gain (dim) each
};

/// Reads a model of the shape c. Matrices are kept as `type`; with fewer than 8 bits, the embedding and the head as i8.
inline loaded_weights load_weights(const io::checkpoint& from, const config& c, dtype type) {
  loaded_weights result;
  const std::size_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  const dtype words = bits_of(type) < 8 ? dtype::i8 : type;
  result.values.embedding = packed_matrix(c.vocabulary, c.dim, words);
  if (!c.tied_head) result.values.head = packed_matrix(c.vocabulary, c.dim, words);
  result.values.final_norm.resize(c.dim);
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    const std::string name = "model.layers." + text(layer) + ".";
    const auto make = [&](std::size_t in, std::initializer_list<std::pair<const char*, std::size_t>> parts) {
      linear l;
      std::size_t out = 0;
      bool biased = false;
      for (const auto& [part, size] : parts) {
        l.parts.push_back({name + part, out, size});
        result.linears.add(name + part, size, in);
        biased = biased || from.find(name + part + ".bias").has_value();
        out += size;
      }
      l.weight = packed_matrix(out, in, type);
      if (biased) l.bias.resize(out);
      return l;
    };
    block& b = result.values.blocks.emplace_back();
    b.attention_norm.resize(c.dim);
    b.mlp_norm.resize(c.dim);
    b.attention = name + "self_attn";
    b.attention_norm_name = name + "input_layernorm";
    b.mlp_norm_name = name + "post_attention_layernorm";
    result.norms.add(b.attention_norm_name, c.dim);
    result.norms.add(b.mlp_norm_name, c.dim);
    b.qkv = make(c.dim, {{"self_attn.q_proj", queries}, {"self_attn.k_proj", keys}, {"self_attn.v_proj", keys}});
    b.output = make(queries, {{"self_attn.o_proj", c.dim}});
    b.gate_up = make(c.dim, {{"mlp.gate_proj", c.hidden}, {"mlp.up_proj", c.hidden}});
    b.down = make(c.hidden, {{"mlp.down_proj", c.dim}});
  }
  result.norms.add(final_norm_name, c.dim);
  std::vector<float> values;
  result.values.for_each([&](const std::string& name, auto& at, std::size_t first, std::size_t rows) {
    const std::size_t columns = weights::columns(at);
    values.resize(rows * columns);
    from.read(name, columns == 1 ? std::vector{rows} : std::vector{rows, columns}, values);
    weights::write(at, first, values);
  });
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
