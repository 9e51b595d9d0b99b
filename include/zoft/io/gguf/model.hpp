/// Opens the model in a GGUF file: its metadata as a config.json, and its tensors by the names of its family.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/model_config.hpp"
#include "../family/families.hpp"
#include "../file/gguf.hpp"
#include "../file/json.hpp"
#include "../file/weights.hpp"
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

namespace detail {

/// Writes how rotary angles are scaled into rope_parameters. Longrope's factors are tensors, which read_gguf_divisors
/// reads.
inline void set_gguf_scaling(const gguf& file, json& rope) {
  const std::string key = gguf_key(file, "rope.scaling.type");
  const std::string type = file.string(key, "linear");
  const double factor =
      file.real(gguf_key(file, "rope.scaling.factor"), file.real(gguf_key(file, "rope.scale_linear"), 1.0));
  if (type == "linear" || type == "yarn") {
    if (factor == 1 || factor == 0) return;
    rope["rope_type"] = type;
    rope["factor"] = factor;
    if (file.find(gguf_key(file, "rope.scaling.original_context_length")) != nullptr)
      rope["original_max_position_embeddings"] = gguf_extent(file, "rope.scaling.original_context_length");
  } else if (type != "none" && type != "longrope") {
    file.refuse(key, "none, linear, yarn or longrope");
  }
}

}  // namespace detail

/// The config.json that a model with that metadata has. Which linears have a bias only the tensors say.
inline json gguf_config(const gguf& file, const gguf_architecture& architecture) {
  const auto key = [&](const std::string& name) { return detail::gguf_key(file, name); };
  const auto extent = [&](const std::string& name, std::optional<std::size_t> absent = std::nullopt) {
    return detail::gguf_extent(file, name, absent);
  };
  if (file.whole("split.count", 0, largest_extent, 1) > 1)
    file.refuse("split.count", "1: join the parts of the model into one file first");
  if (file.whole(key("expert_count"), 0, largest_extent, 0) > 0)
    file.refuse(key("expert_count"), "0: mixtures of experts are not known here");
  const auto embedding = file.tensor("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2) fail(file.path() + ": has no token_embd.weight of two extents");
  json c = {{"model_type", architecture.family}};
  const std::size_t dim = c["hidden_size"] = extent("embedding_length");
  const std::size_t heads = c["num_attention_heads"] = extent("attention.head_count");
  if (dim % heads != 0 && file.find(key("attention.key_length")) == nullptr)
    file.refuse(key("embedding_length"), "a multiple of the heads, which are " + text(heads));
  c["num_hidden_layers"] = detail::gguf_extent(file, "block_count", std::nullopt, most_layers);
  c["intermediate_size"] = extent("feed_forward_length");
  c["num_key_value_heads"] = extent("attention.head_count_kv", heads);
  c["head_dim"] = extent("attention.key_length", dim / heads);
  c["vocab_size"] = embedding->shape[0];
  c["max_position_embeddings"] = extent("context_length");
  c["tie_word_embeddings"] = !file.tensor("output.weight");
  const std::string epsilon =
      key(std::string(architecture.epsilon) == "rms_norm_eps" ? "attention.layer_norm_rms_epsilon"
                                                              : "attention.layer_norm_epsilon");
  if (!(file.real(epsilon) > 0)) file.refuse(epsilon, "a number above 0");
  c[architecture.epsilon] = file.real(epsilon);
  json& rope =
      c["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", file.real(key("rope.freq_base"), 10000.0)}};
  const auto head_dim = c["head_dim"].get<std::size_t>();
  const std::size_t rotated = extent("rope.dimension_count", head_dim);
  if (architecture.partial ? rotated > head_dim : rotated != head_dim)
    file.refuse(key("rope.dimension_count"), (architecture.partial ? "at most " : "") + text(head_dim));
  // The product with head_dim is rounded down. Half an element more makes that `rotated`, whatever the division did.
  rope["partial_rotary_factor"] =
      rotated == head_dim ? 1.0 : (static_cast<double>(rotated) + 0.5) / static_cast<double>(head_dim);
  detail::set_gguf_scaling(file, rope);
  if (architecture.more != nullptr) architecture.more(file, c);
  return c;
}

namespace detail {

/// The divisors of rotary angles that a file holds as tensors: Llama 3's, and the two lists of longrope. They come on
/// top of a factor in the metadata.
inline void read_gguf_divisors(const gguf& file, nn::config& c, std::set<std::string>& used) {
  const auto numbers = [&](const std::string& name) {
    const auto tensor = file.tensor(name);
    if (!tensor) return std::vector<double>();
    const std::size_t wanted = c.rotary_dims / 2;
    if (tensor->shape != std::vector{wanted})
      fail(file.path() + ": " + name + " has shape " + text_of(tensor->shape) + ", and must have " + text_of({wanted}));
    require_widened(tensor->type, file.path() + ": " + name);
    std::vector<float> values(wanted);
    widen(*tensor, values);
    for (const float value : values)
      if (!(value > 0) || !std::isfinite(value))
        fail(file.path() + ": " + name + " holds " + text(value) + ", and may hold numbers above 0 only");
    used.insert(name);
    std::vector<double> result(values.begin(), values.end());
    for (std::size_t i = 0; i < c.scaling.divisors.size(); ++i) result[i] *= c.scaling.divisors[i];
    return result;
  };
  if (!c.rotates()) return;
  if (auto all = numbers("rope_freqs.weight"); !all.empty()) {
    c.scaling.divisors = std::move(all);
  } else if (auto few = numbers("rope_factors_short.weight"); !few.empty()) {
    c.scaling.long_divisors = numbers("rope_factors_long.weight");
    c.scaling.divisors = std::move(few);
    c.scaling.long_after = gguf_extent(file, "rope.scaling.original_context_length", c.context);
  }
  const std::string amplitude = gguf_key(file, "rope.scaling.attn_factor");
  if (!(file.real(amplitude, 1.0) > 0)) file.refuse(amplitude, "a number above 0");
  c.scaling.amplitude *= file.real(amplitude, 1.0);
}

/// Changes c to what the converter has made of the family's tensors, and to what is in the file.
inline void fit_to_gguf(const gguf& file, const gguf_architecture& architecture, nn::config& c) {
  c.pairing = architecture.interleaved ? nn::rope::interleaved : nn::rope::half_split;
  c.norm_offset = c.transposed = false;
  c.fused = nn::fused_rows::contiguous;
  if (!c.causal) {
    c.has_head = false;
    c.names.pooler.clear();
    c.first_position = 0;
  }
  if (c.names.query_key_value.empty() && gguf_has(file, "blk.0.attn_qkv.weight"))
    c.names.query_key_value = c.names.attention + ".qkv_proj";
  c.bias = {
      .query_key_value = gguf_has(file, c.names.query_key_value.empty() ? "blk.0.attn_q.bias" : "blk.0.attn_qkv.bias"),
      .attention_output = gguf_has(file, "blk.0.attn_output.bias"),
      .mlp = gguf_has(file, "blk.0.ffn_down.bias"),
      .head = c.has_head && gguf_has(file, "output.bias")};
  // Granite says so if no block has positions.
  if (architecture.name == "granite" && !file.boolean(gguf_key(file, "rope.scaling.finetuned"), true)) {
    c.pattern.resize(c.layers);
    for (nn::layer_config& layer : c.pattern) layer.rotary = false;
  }
}

/// The shape without extents of 1 in front, which GGUF may leave out.
inline std::span<const std::size_t> without_ones(const std::vector<std::size_t>& shape) {
  const auto first = std::ranges::find_if(shape, [](std::size_t extent) { return extent != 1; });
  return std::span(shape).subspan(static_cast<std::size_t>(first - shape.begin()));
}

/// The tensor of that name in the family's files. Gains that each head has of its own are rows of one tensor here.
inline tensor_view gguf_tensor(const gguf& file, const nn::config& c, const std::string& name,
                               const std::vector<std::size_t>& shape, std::set<std::string>& used) {
  const std::size_t dot = name.rfind('.'), own = name.find(".norms.");
  const bool is_row = c.query_key_norm == nn::head_norm::own && own != name.npos;
  const std::string theirs = gguf_name(c, name.substr(0, is_row ? own : dot)) + name.substr(dot);
  std::vector<std::size_t> wanted = shape;
  if (is_row) wanted.insert(wanted.begin(), theirs.find("attn_q_norm") != theirs.npos ? c.heads : c.kv_heads);
  auto tensor = file.tensor(theirs);
  if (!tensor) fail(file.path() + ": " + theirs + " is missing, and must be of shape " + text_of(wanted));
  if (!std::ranges::equal(without_ones(tensor->shape), without_ones(wanted)))
    fail(file.path() + ": " + theirs + " has shape " + text_of(tensor->shape) + ", and must have " + text_of(wanted));
  require_widened(tensor->type, file.path() + ": " + theirs);
  if (is_row) {
    const std::size_t size = tensor->bytes.size() / wanted[0];
    const std::string number = name.substr(own + 7, dot - own - 7);
    tensor->bytes = tensor->bytes.subspan(size * std::stoul(number), size);
  }
  tensor->shape = shape;
  used.insert(theirs);
  return *tensor;
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
  nn::config c = read_model_config(config, path + " (its metadata as a config.json)");
  detail::fit_to_gguf(file, *architecture, c);
  std::set<std::string> used;
  detail::read_gguf_divisors(file, c, used);

  checkpoint::tensor_map tensors;
  for_each_tensor(c, [&](const std::string& tensor_name, const std::vector<std::size_t>& shape) {
    tensors.emplace(tensor_name, detail::gguf_tensor(file, c, tensor_name, shape, used));
  });
  for (const auto& [theirs, tensor] : file.tensors())
    if (!used.contains(theirs) && (c.causal || !theirs.starts_with("cls.")))
      fail(path + ": holds " + printable(theirs) + ", which a model of this architecture and metadata does not have");
  std::vector<memory_map> files;
  files.push_back(std::move(file).release());
  return checkpoint(path, c, std::move(files), std::move(tensors));
}

}  // namespace zoft::inline ZOFT_ISA::io
