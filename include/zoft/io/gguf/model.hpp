/// Opens the model in a GGUF file: its metadata as a config.json, and its tensors by the names of its family.
#pragma once

#include <array>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/model_config.hpp"
#include "../families.hpp"
#include "../gguf.hpp"
#include "../json.hpp"
#include "../weights.hpp"
#include "architectures.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

/// The parts of a model: how its family names them, and what GGUF calls them.
inline std::vector<std::pair<std::string, std::string>> gguf_ends(const nn::config& c) {
  const nn::tensor_names& n = c.names;
  return {{n.embedding, "token_embd"},           {n.positions, "position_embd"}, {n.token_types, "token_types"},
          {n.embedding_norm, "token_embd_norm"}, {n.final_norm, "output_norm"},  {n.head, "output"}};
}
inline std::vector<std::pair<std::string, std::string>> gguf_parts(const nn::config& c) {
  const nn::tensor_names& n = c.names;
  return {{n.attention_norm, "attn_norm"},
          {n.query, "attn_q"},
          {n.key, "attn_k"},
          {n.value, "attn_v"},
          {n.query_key_value, "attn_qkv"},
          {n.query_norm, "attn_q_norm"},
          {n.key_norm, "attn_k_norm"},
          {n.output, "attn_output"},
          {n.attention_added_norm, "post_attention_norm"},
          {n.attention_stream_norm, "attn_output_norm"},
          {n.mlp_norm, "ffn_norm"},
          {n.gate, "ffn_gate"},
          {n.up, "ffn_up"},
          {n.gate_up, "ffn_up"},
          {n.down, "ffn_down"},
          {n.mlp_added_norm, "post_ffw_norm"},
          {n.mlp_stream_norm, "layer_output_norm"}};
}

}  // namespace detail

/// What GGUF calls a part of a model, such as blk.0.attn_q for model.layers.0.self_attn.q_proj; nothing if it has no
/// name for it.
inline std::string gguf_name(const nn::config& c, std::string_view name) {
  const std::string_view block = c.names.block;
  if (!name.starts_with(block)) {
    for (const auto& [own, theirs] : detail::gguf_ends(c))
      if (!own.empty() && name == own) return theirs;
    return {};
  }
  const std::string_view rest = name.substr(block.size());
  const std::size_t dot = rest.find('.');
  for (const auto& [own, theirs] : detail::gguf_parts(c))
    if (!own.empty() && dot != rest.npos && rest.substr(dot + 1) == own)
      return "blk." + std::string(rest.substr(0, dot)) + "." + theirs;
  return {};
}

/// The config.json that a model with that metadata has.
inline json gguf_config(const gguf& file, const gguf_architecture& architecture) {
  const auto key = [&](const std::string& name) { return detail::gguf_key(file, name); };
  const auto extent = [&](const std::string& name) { return file.whole(key(name), 1, largest_extent); };
  const auto embedding = file.tensor("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2) fail(file.path() + ": has no token_embd.weight of two extents");
  json c = {{"model_type", architecture.family}};
  const std::size_t dim = c["hidden_size"] = extent("embedding_length");
  const std::size_t heads = c["num_attention_heads"] = extent("attention.head_count");
  if (dim % heads != 0 && file.find(key("attention.key_length")) == nullptr)
    file.refuse(key("embedding_length"), "a multiple of the heads, which are " + text(heads));
  c["num_hidden_layers"] = extent("block_count");
  c["intermediate_size"] = extent("feed_forward_length");
  c["num_key_value_heads"] = file.whole(key("attention.head_count_kv"), 1, largest_extent, heads);
  c["head_dim"] = file.whole(key("attention.key_length"), 1, largest_extent, dim / heads);
  c["vocab_size"] = embedding->shape[0];
  c["max_position_embeddings"] = extent("context_length");
  c["tie_word_embeddings"] = !file.tensor("output.weight");
  c[architecture.epsilon] =
      file.real(key(std::string(architecture.epsilon) == "rms_norm_eps" ? "attention.layer_norm_rms_epsilon"
                                                                        : "attention.layer_norm_epsilon"));
  json& rope =
      c["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", file.real(key("rope.freq_base"), 10000.0)}};
  const auto head_dim = c["head_dim"].get<std::size_t>();
  const std::size_t rotated = file.whole(key("rope.dimension_count"), 1, largest_extent, head_dim);
  if (rotated != head_dim) rope["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head_dim);
  const std::string scaling = file.string(key("rope.scaling.type"), "none");
  const double factor = file.real(key("rope.scaling.factor"), 1.0);
  if (scaling != "none" && scaling != "longrope" && factor != 1 && factor != 0) {
    rope["rope_type"] = scaling;
    rope["factor"] = factor;
    if (file.find(key("rope.scaling.original_context_length")) != nullptr)
      rope["original_max_position_embeddings"] = extent("rope.scaling.original_context_length");
  }
  if (architecture.more != nullptr) architecture.more(file, c);
  return c;
}

namespace detail {

/// The divisors of rotary angles that a file holds as tensors: Llama 3's, and the two lists of longrope.
inline void read_gguf_divisors(const gguf& file, nn::config& c, std::set<std::string>& used) {
  const auto numbers = [&](const std::string& name) {
    const auto tensor = file.tensor(name);
    if (!tensor) return std::vector<double>();
    const std::size_t wanted = (c.rotary_dims == 0 ? c.head_dim : c.rotary_dims) / 2;
    if (tensor->shape != std::vector{wanted})
      fail(file.path() + ": " + name + " has shape " + text_of(tensor->shape) + ", and must have " + text_of({wanted}));
    std::vector<float> values(wanted);
    widen(*tensor, values);
    for (const float value : values)
      if (!(value > 0))
        fail(file.path() + ": " + name + " holds " + text(value) + ", and may hold numbers above 0 only");
    used.insert(name);
    return std::vector<double>(values.begin(), values.end());
  };
  if (auto all = numbers("rope_freqs.weight"); !all.empty()) c.scaling.divisors = std::move(all);
  if (auto few = numbers("rope_factors_short.weight"); !few.empty()) {
    c.scaling.divisors = std::move(few);
    c.scaling.long_divisors = numbers("rope_factors_long.weight");
    c.scaling.long_after = file.whole(gguf_key(file, "rope.scaling.original_context_length"), 1, largest_extent);
    c.scaling.amplitude = file.real(gguf_key(file, "rope.scaling.attn_factor"), 1.0);
  }
}

}  // namespace detail

/// Opens the model and checks that the file holds the tensors that its metadata promises, in their shapes, and no
/// others. Tensors are mapped but not read yet.
inline checkpoint open_gguf(const std::string& path) {
  gguf file(path);
  const std::string name = file.string("general.architecture");
  if (file.string("general.type", "model") != "model") file.refuse("general.type", "model");
  const gguf_architecture* architecture = nullptr;
  std::string known;
  for (const gguf_architecture& each : gguf_architectures()) {
    if (each.name == name) architecture = &each;
    known += (known.empty() ? "" : ", ") + std::string(each.name);
  }
  if (architecture == nullptr) file.refuse("general.architecture", "one of " + known);

  const json config = gguf_config(file, *architecture);
  nn::config c = read_model_config(config, path);
  // What the converter has done to the tensors.
  c.pairing = architecture->interleaved ? nn::rope::interleaved : nn::rope::half_split;
  c.norm_offset = c.transposed = false;
  c.fused = nn::fused_rows::contiguous;
  if (!c.causal) {
    c.has_head = false;
    c.names.pooler.clear();
    c.first_position = 0;
  }
  std::set<std::string> used;
  detail::read_gguf_divisors(file, c, used);

  checkpoint::tensor_map tensors;
  for_each_tensor(c, [&](const std::string& tensor_name, const std::vector<std::size_t>& shape) {
    const std::size_t dot = tensor_name.rfind('.');
    const std::string theirs = gguf_name(c, tensor_name.substr(0, dot)) + tensor_name.substr(dot);
    const auto tensor = file.tensor(theirs);
    if (!tensor) fail(path + ": " + theirs + " is missing, and must be of shape " + text_of(shape));
    if (tensor->shape != shape)
      fail(path + ": " + theirs + " has shape " + text_of(tensor->shape) + ", and must have " + text_of(shape));
    require_widened(tensor->type, path + ": " + theirs);
    tensors.emplace(tensor_name, *tensor);
    used.insert(theirs);
  });
  for (const auto& [theirs, tensor] : file.tensors())
    if (!used.contains(theirs))
      fail(path + ": holds " + printable(theirs) + ", which a model of this architecture and metadata does not have");
  std::vector<memory_map> files;
  files.push_back(std::move(file).release());
  return checkpoint(path, c, std::move(files), std::move(tensors));
}

}  // namespace zoft::inline ZOFT_ISA::io
