/// Reads a folder that save_pretrained of Hugging Face's transformers wrote: config.json of Llama (arXiv:2302.13971) or
/// Qwen2 (arXiv:2407.10671), and model.safetensors, whole or in shards with model.safetensors.index.json.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/model_config.hpp"
#include "json.hpp"
#include "memory_map.hpp"
#include "printable.hpp"
#include "safetensors.hpp"
#include "tensor.hpp"
#include "weights.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

inline json json_file(const std::string& path) {
  const memory_map file(path);
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
}

/// The base of the rotary angles. Version 5 of transformers writes rope_parameters, version 4 writes rope_theta and
/// rope_scaling. If a file has both or neither, this takes what version 5 takes.
inline double rope_base(const fields& config, const std::string& path) {
  const double outside = config.positive("rope_theta", 10000.0);
  const json* scaling = config.find("rope_scaling");
  const char* name = scaling != nullptr && !scaling->empty() ? "rope_scaling" : "rope_parameters";
  const json* found = config.find(name);
  if (found == nullptr) return outside;
  const fields rope(*found, path + ": " + name);
  const char* type = rope.find("rope_type") != nullptr ? "rope_type" : "type";
  if (rope.string(type, "default") != "default") rope.refuse(type, "default");
  if (rope.positive("partial_rotary_factor", 1.0) != 1.0) rope.refuse("partial_rotary_factor", "1");
  for (const auto& [key, value] : found->get_ref<const json::object_t&>())
    if (value.is_object()) rope.refuse(key, "left out: all layers have the same rotary angles here");
  return rope.positive("rope_theta", outside);
}

struct hugging_face_config {
  nn::config shape;
  biases bias;
};

/// Throws, naming the field, if the model needs mathematics that zoft does not have: other activations, scaled rotary
/// angles, sliding windows, quantisation.
inline hugging_face_config read_config(const std::string& path) {
  const json root = json_file(path);
  const fields config(root, path);
  hugging_face_config result;
  nn::config& c = result.shape;

  const std::string type = config.string("model_type", "");
  if (type != "llama" && type != "qwen2") config.refuse("model_type", "llama or qwen2");
  if (config.string("hidden_act", "silu") != "silu") config.refuse("hidden_act", "silu");
  if (config.find("quantization_config") != nullptr) config.refuse("quantization_config", "left out or null");
  if (config.boolean("use_sliding_window", false)) config.refuse("use_sliding_window", "false");
  if (config.positive("partial_rotary_factor", 1.0) != 1.0) config.refuse("partial_rotary_factor", "1");
  if (const json* kinds = config.find("layer_types"); kinds != nullptr) {
    if (!kinds->is_array()) config.refuse("layer_types", "a list");
    for (const json& kind : *kinds)
      if (kind != "full_attention")
        fail(path + ": layer_types holds " + shown(kind) + ", and may hold \"full_attention\" only");
  }

  const auto extent = [&](const char* name, std::optional<std::size_t> absent = std::nullopt) {
    return config.whole(name, 1, largest_extent, absent);
  };
  c.dim = extent("hidden_size");
  c.hidden = extent("intermediate_size");
  c.layers = extent("num_hidden_layers");
  c.heads = extent("num_attention_heads");
  c.kv_heads = extent("num_key_value_heads", c.heads);
  c.vocabulary = extent("vocab_size");
  c.context = extent("max_position_embeddings");
  if (config.find("head_dim") == nullptr && c.dim % c.heads != 0)
    config.refuse("hidden_size",
                  "a multiple of num_attention_heads, which is " + text(c.heads) + ", where there is no head_dim");
  c.head_dim = extent("head_dim", c.dim / c.heads);
  if (c.head_dim % 2 != 0) fail(path + ": a head has " + text(c.head_dim) + " elements, and must have an even number");
  if (c.heads % c.kv_heads != 0)
    config.refuse("num_key_value_heads", "a divisor of num_attention_heads, which is " + text(c.heads));
  c.norm_epsilon = config.positive("rms_norm_eps");
  c.rope_base = rope_base(config, path);
  c.pairing = nn::rope::half_split;
  c.tied_head = config.boolean("tie_word_embeddings", false);

  if (type == "llama") {
    result.bias.query_key_value = result.bias.attention_output = config.boolean("attention_bias", false);
    result.bias.mlp = config.boolean("mlp_bias", false);
  } else {
    result.bias.query_key_value = true;
  }
  return result;
}

/// Whether an index may give a shard this name: it must be a file of the same folder, and fit into a message.
inline bool is_file_name(std::string_view name) {
  const auto bad = [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == ':';
  };
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." && std::ranges::none_of(name, bad);
}

/// Opens the files that hold the tensors. If there is an index, the files must hold exactly what it says.
inline std::vector<safetensors> open_shards(const std::string& folder) {
  std::vector<safetensors> result;
  std::error_code ignored;
  const std::string whole = folder + "/model.safetensors", index = folder + "/model.safetensors.index.json";
  if (std::filesystem::exists(whole, ignored)) {
    result.emplace_back(whole);
    return result;
  }
  if (!std::filesystem::exists(index, ignored))
    fail(folder + ": has neither model.safetensors nor model.safetensors.index.json");

  const json root = json_file(index);
  const json* map = fields(root, index).find("weight_map");
  if (map == nullptr || !map->is_object()) fields(root, index).refuse("weight_map", "an object of file names");
  std::map<std::string, std::size_t> promised;  // file name -> tensors
  for (const auto& [name, file] : map->get_ref<const json::object_t&>()) {
    const auto* string = file.get_ptr<const json::string_t*>();
    if (string == nullptr || !is_file_name(*string))
      fail(index + ": " + printable(name) + " lies in " + shown(file) + ", and must lie in a file of this folder");
    ++promised[*string];
  }
  if (promised.empty()) fail(index + ": weight_map is empty");
  for (const auto& [file, count] : promised) {
    const safetensors& shard = result.emplace_back(folder + "/" + file);
    for (const auto& [name, entry] : shard.tensors()) {
      const auto said = map->find(name);
      if (said == map->end()) fail(shard.path() + ": holds " + printable(name) + ", which " + index + " does not list");
      if (*said != file)
        fail(shard.path() + ": holds " + printable(name) + ", which " + index + " says lies in " + shown(*said));
    }
    if (shard.tensors().size() == count) continue;
    for (const auto& [name, said] : map->get_ref<const json::object_t&>())
      if (said == file && !shard.tensors().contains(name))
        fail(shard.path() + ": does not hold " + printable(name) + ", which " + index + " says lies in it");
  }
  return result;
}

/// Whether it is a rotary buffer, which older versions of transformers saved with the weights. It is computed here.
inline bool is_rotary_buffer(std::string_view name) {
  return name.starts_with("model.") && name.ends_with("rotary_emb.inv_freq");
}

}  // namespace detail

/// Opens the folder and checks that the files hold the tensors that config.json promises, and no others. Rotary buffers
/// and a saved copy of a tied head are ignored. Every error names the file and the field or tensor. Tensors are mapped
/// but not read yet.
inline checkpoint open_hugging_face(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  const auto config = detail::read_config(config_path);
  std::vector<safetensors> shards = detail::open_shards(folder);

  checkpoint::tensor_map tensors;
  const auto find = [&](const std::string& name) -> const safetensors* {
    for (const safetensors& shard : shards)
      if (shard.tensors().contains(name)) return &shard;
    return nullptr;
  };
  for_each_tensor(config.shape, config.bias, [&](const std::string& name, const std::vector<std::size_t>& shape) {
    const safetensors* shard = find(name);
    if (shard == nullptr)
      fail(folder + ": " + name + " is missing, and must be of shape " + text_of(shape) + " by " + config_path);
    tensor_view tensor = *shard->find(name);
    if (tensor.shape != shape)
      fail(shard->path() + ": " + name + " has shape " + text_of(tensor.shape) + ", and must have " + text_of(shape) +
           " by " + config_path);
    tensors.emplace(name, std::move(tensor));
  });
  for (const safetensors& shard : shards)
    for (const auto& [name, entry] : shard.tensors()) {
      if (tensors.contains(name) || detail::is_rotary_buffer(name)) continue;
      if (name == "lm_head.weight") {  // tied, but saved all the same
        const auto& embedding = tensors.find("model.embed_tokens.weight")->second;
        if (std::ranges::equal(entry.bytes, embedding.bytes)) continue;
        fail(shard.path() +
             ": lm_head.weight differs from model.embed_tokens.weight, and tie_word_embeddings is true in " +
             config_path);
      }
      fail(shard.path() + ": holds " + printable(name) + ", which a model by " + config_path + " does not have");
    }

  std::vector<memory_map> files;
  for (safetensors& shard : shards) files.push_back(std::move(shard).release());
  return checkpoint(folder, config.shape, config.bias, std::move(files), std::move(tensors));
}

}  // namespace zoft::inline ZOFT_ISA::io
