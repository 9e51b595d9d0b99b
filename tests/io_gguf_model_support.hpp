// Writes models as llama.cpp's converter writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>
#include <zoft/io/checkpoint.hpp>

#include "io_gguf_support.hpp"
#include "io_support.hpp"

namespace io_test {

/// The parts of blocks and of models by transformers' names, and what the converter calls them.
inline const std::map<std::string, std::string> converted_parts = {
    {"input_layernorm", "attn_norm"},
    {"ln_1", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"attention.self.query", "attn_q"},
    {"attention.self.key", "attn_k"},
    {"attention.self.value", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"attn.c_attn", "attn_qkv"},
    {"attention.query_key_value", "attn_qkv"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"self_attn.q_layernorm", "attn_q_norm"},
    {"self_attn.k_layernorm", "attn_k_norm"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.dense", "attn_output"},
    {"attn.c_proj", "attn_output"},
    {"attention.dense", "attn_output"},
    {"attention.output.dense", "attn_output"},
    {"attention.output.LayerNorm", "attn_output_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"ln_2", "ffn_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.fc1", "ffn_up"},
    {"mlp.c_fc", "ffn_up"},
    {"mlp.dense_h_to_4h", "ffn_up"},
    {"intermediate.dense", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"mlp.fc2", "ffn_down"},
    {"mlp.c_proj", "ffn_down"},
    {"mlp.dense_4h_to_h", "ffn_down"},
    {"output.dense", "ffn_down"},
    {"output.LayerNorm", "layer_output_norm"},
};
inline const std::map<std::string, std::string> converted_ends = {
    {"model.embed_tokens", "token_embd"},
    {"transformer.wte", "token_embd"},
    {"gpt_neox.embed_in", "token_embd"},
    {"embeddings.word_embeddings", "token_embd"},
    {"transformer.wpe", "position_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"model.norm", "output_norm"},
    {"model.final_layernorm", "output_norm"},
    {"transformer.ln_f", "output_norm"},
    {"gpt_neox.final_layer_norm", "output_norm"},
    {"lm_head", "output"},
    {"embed_out", "output"},
};

/// One tensor of a model, on its way into a file.
struct converted {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<float> values;
};

/// What the converter calls the tensor; nothing if it leaves it out.
inline std::string converted_name(const zoft::nn::config& c, const std::string& name) {
  const std::size_t dot = name.rfind('.');
  const std::string part = name.substr(0, dot), ending = name.substr(dot);
  if (!name.starts_with(c.names.block)) {
    if (!c.causal && part.find('.') == part.npos) return "";  // of a head
    const auto found = converted_ends.find(c.causal ? part : part.substr(part.find('.') + 1));
    return found == converted_ends.end() ? "" : found->second + ending;
  }
  const std::string rest = part.substr(c.names.block.size());
  const std::string number = rest.substr(0, rest.find('.')), inside = rest.substr(rest.find('.') + 1);
  const bool added = inside == "post_attention_layernorm" && c.names.attention_added_norm == inside;
  return "blk." + number + "." + (added ? "post_attention_norm" : converted_parts.at(inside)) + ending;
}

/// The tensor with row r as row order(r).
template <class Order>
void move_rows(converted& tensor, Order order) {
  const std::size_t rows = tensor.shape[0], columns = tensor.values.size() / rows;
  std::vector<float> moved(tensor.values.size());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < columns; ++i) moved[order(r) * columns + i] = tensor.values[r * columns + i];
  tensor.values = std::move(moved);
}

/// Changes that the converter makes to the numbers.
inline void convert_numbers(const zoft::nn::config& c, const std::string& name, converted& tensor) {
  const std::size_t d = c.head_dim, rows = tensor.shape[0];
  const auto is = [&](const std::string& part) { return name.find(part) != name.npos; };
  const std::set<std::string> permuted{"llama", "smollm3", "granite"};
  if (permuted.contains(c.family) && (is("q_proj") || is("k_proj")))
    move_rows(tensor, [&](std::size_t r) {
      const std::size_t head = r / d, half = r % d / (d / 2), i = r % (d / 2);
      return head * d + 2 * i + half;
    });
  if (c.family.starts_with("gemma") && is("norm"))
    for (float& gain : tensor.values) gain += 1;
  if (c.family == "gpt_neox" && is("query_key_value"))
    move_rows(tensor, [&](std::size_t r) {
      const std::size_t head = r / (3 * d), part = r / d % 3;
      return part * c.dim + head * d + r % d;
    });
  if (c.family == "roberta" && is("position_embeddings")) {
    tensor.values.erase(tensor.values.begin(), tensor.values.begin() + static_cast<std::ptrdiff_t>(2 * c.dim));
    tensor.shape[0] = rows - 2;
  }
  if (c.transposed && name.starts_with(c.names.block) && tensor.shape.size() == 2) {
    const std::size_t columns = tensor.shape[1];
    std::vector<float> turned(tensor.values.size());
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t i = 0; i < columns; ++i) turned[i * rows + r] = tensor.values[r * columns + i];
    tensor.values = std::move(turned);
    std::swap(tensor.shape[0], tensor.shape[1]);
  }
}

/// The tensors of the model as the converter writes them.
inline std::vector<converted> convert_tensors(const zoft::io::checkpoint& model) {
  const zoft::nn::config& c = model.shape();
  std::vector<converted> result;
  zoft::io::for_each_tensor(c, [&](const std::string& name, const std::vector<std::size_t>& shape) {
    converted tensor{"", shape, std::vector<float>(zoft::io::elements(shape))};
    model.read(name, shape, tensor.values);
    if (const std::size_t own = name.find(".norms."); own != name.npos) {  // a row of one tensor
      tensor.name = converted_name(c, name.substr(0, own) + ".weight");
      if (!result.empty() && result.back().name == tensor.name) {
        result.back().values.insert(result.back().values.end(), tensor.values.begin(), tensor.values.end());
        ++result.back().shape[0];
      } else {
        tensor.shape.insert(tensor.shape.begin(), 1);
        result.push_back(std::move(tensor));
      }
      return;
    }
    tensor.name = converted_name(c, name);
    if (tensor.name.empty()) return;
    convert_numbers(c, name, tensor);
    result.push_back(std::move(tensor));
  });
  const auto add = [&](const std::string& name, const std::vector<double>& divisors) {
    result.push_back({name, {divisors.size()}, std::vector<float>(divisors.begin(), divisors.end())});
  };
  if (!c.scaling.long_divisors.empty()) {
    add("rope_factors_short.weight", c.scaling.divisors);
    add("rope_factors_long.weight", c.scaling.long_divisors);
  } else if (!c.scaling.divisors.empty() && c.scaling.divisors.front() != c.scaling.divisors.back()) {
    add("rope_freqs.weight", c.scaling.divisors);
  }
  return result;
}

/// Keys of a file, by name.
class converted_keys {
 public:
  explicit converted_keys(std::string architecture) : architecture_(std::move(architecture)) {
    set<std::string>("general.architecture", architecture_);
  }

  template <class T>
  void set(const std::string& name, const T& value) {
    keys_[name] = gguf_key(name, value);
  }
  void set_bytes(const std::string& name, std::string bytes) { keys_[name] = std::move(bytes); }
  void whole(const std::string& name, std::size_t value) { set(key(name), static_cast<std::uint32_t>(value)); }
  void real(const std::string& name, double value) { set(key(name), static_cast<float>(value)); }
  void erase(const std::string& name) { keys_.erase(name); }
  std::string key(const std::string& name) const { return architecture_ + "." + name; }

  std::vector<std::string> all() const {
    std::vector<std::string> result;
    for (const auto& [name, bytes] : keys_) result.push_back(bytes);
    return result;
  }

 private:
  std::string architecture_;
  std::map<std::string, std::string> keys_;
};

inline converted_keys convert_keys(const zoft::nn::config& c, const std::string& architecture) {
  converted_keys k(architecture);
  k.whole("context_length", c.context);
  k.whole("embedding_length", c.dim);
  k.whole("block_count", c.layers);
  k.whole("feed_forward_length", c.hidden);
  k.whole("attention.head_count", c.heads);
  if (c.kv_heads != c.heads) k.whole("attention.head_count_kv", c.kv_heads);
  if (c.head_dim * c.heads != c.dim) k.whole("attention.key_length", c.head_dim);
  k.real(c.norm == zoft::nn::norm_kind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon",
         c.norm_epsilon);
  if (c.rotates()) {
    k.real("rope.freq_base", c.rope_base);
    k.whole("rope.dimension_count", c.rotary_dims);
  }
  const std::vector<double>& divisors = c.scaling.divisors;
  if (!c.scaling.long_divisors.empty()) {
    k.set(k.key("rope.scaling.type"), std::string("longrope"));
    k.real("rope.scaling.attn_factor", c.scaling.amplitude);
    k.whole("rope.scaling.original_context_length", c.scaling.long_after);
  } else if (!divisors.empty() && divisors.front() == divisors.back()) {
    k.set(k.key("rope.scaling.type"), std::string("linear"));
    k.real("rope.scaling.factor", divisors.front());
  }
  if (c.family == "granite") {
    k.real("embedding_scale", c.embedding_scale);
    k.real("residual_scale", c.residual_scale);
    k.real("logit_scale", 1 / c.logit_scale);
    k.real("attention.scale", c.attention_scale);
  }
  if (c.attention_cap > 0) k.real("attn_logit_softcapping", c.attention_cap);
  if (c.logit_cap > 0) k.real("final_logit_softcapping", c.logit_cap);
  for (std::size_t i = 0; i < c.layers; ++i)
    if (c.layer(i).window > 0) k.whole("attention.sliding_window", c.layer(i).window);
  if (c.family == "gemma3_text") {
    k.real("rope.freq_base_swa", c.local_rope_base);
    k.whole("attention.sliding_window_pattern", 2);
  }
  if (c.family == "gpt_neox") k.set(k.key("use_parallel_residual"), c.parallel);
  if (!c.causal) k.set(k.key("attention.causal"), false);
  return k;
}

inline std::string converted_bytes(const converted_keys& keys, const std::vector<converted>& tensors) {
  std::vector<gguf_made> made;
  for (const converted& tensor : tensors) {
    std::string bytes;
    for (const float value : tensor.values) bytes += bytes_of(value);
    made.push_back({tensor.name, {tensor.shape.rbegin(), tensor.shape.rend()}, 0, std::move(bytes)});
  }
  return gguf_file(keys.all(), made);
}

}  // namespace io_test
