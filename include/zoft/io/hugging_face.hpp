/// Reads a folder that save_pretrained of Hugging Face's transformers wrote: config.json of a family that is known
/// here, and model.safetensors, whole or in shards with model.safetensors.index.json.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/model_config.hpp"
#include "family/families.hpp"
#include "file/json.hpp"
#include "file/memory_map.hpp"
#include "file/printable.hpp"
#include "file/safetensors.hpp"
#include "file/tensor.hpp"
#include "file/weights.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

inline json json_file(const std::string& path) {
  const memory_map file(path);
  return parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path);
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

/// Whether it is a buffer that older versions of transformers saved with the weights: rotary angles, masks and
/// positions. They are computed here.
inline bool is_buffer(std::string_view name) {
  for (const std::string_view ending :
       {"rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias",
        "embeddings.position_ids", "embeddings.token_type_ids"})
    if (name.ends_with(ending)) return true;
  return false;
}

/// The tensors of all files, found by their names in a whole model. Files of a model without its head lack the first
/// part of these names, such as "model." or "bert.", and old files call gain and bias of a LayerNorm gamma and beta.
class named_tensors {
 public:
  named_tensors(const std::vector<safetensors>& shards, const nn::config& c) : shards_(shards) {
    const std::string embedding = c.names.embedding + ".weight", first = embedding.substr(0, embedding.find('.') + 1);
    if (!exact(embedding) && exact(embedding.substr(first.size()))) missing_ = first;
  }

  const safetensors* find(const std::string& name, std::string& found_as) const {
    found_as = name.starts_with(missing_) ? name.substr(missing_.size()) : name;
    if (const safetensors* shard = exact(found_as)) return shard;
    for (const auto& [ending, old] :
         {std::pair<std::string_view, std::string_view>{"LayerNorm.weight", "gamma"}, {"LayerNorm.bias", "beta"}})
      if (found_as.ends_with(ending)) {
        const std::string other = found_as.substr(0, found_as.rfind('.') + 1) + std::string(old);
        if (const safetensors* shard = exact(other)) {
          found_as = other;
          return shard;
        }
      }
    return nullptr;
  }

 private:
  const safetensors* exact(const std::string& name) const {
    for (const safetensors& shard : shards_)
      if (shard.tensors().contains(name)) return &shard;
    return nullptr;
  }

  const std::vector<safetensors>& shards_;
  std::string missing_;
};

/// The tensor that `name` repeats, if it is a copy of a tied head or of its bias; else nothing.
inline std::string copy_of(const nn::config& c, std::string_view name) {
  if (!c.has_head) return {};
  if (c.tied_head && name == c.names.head + ".weight") return c.names.embedding + ".weight";
  if (c.bias.head && !c.names.head_bias.empty() && name == c.names.head + ".bias") return c.names.head_bias;
  return {};
}

/// Whether a tensor of an encoder's files belongs to a head other than the one of masked words: next sentences,
/// classes.
inline bool is_of_another_head(const nn::config& c, std::string_view name) {
  const std::string first = c.names.embedding.substr(0, c.names.embedding.find('.') + 1);
  return name.starts_with("cls.") || name.starts_with("classifier.") || name.starts_with("pre_classifier.") ||
         name.starts_with("qa_outputs.") || name.starts_with("lm_head.") || name.starts_with("vocab_") ||
         name.starts_with(first + "pooler.") || name.starts_with("pooler.");
}

}  // namespace detail

/// Opens the folder and checks that the files hold the tensors that config.json promises, and no others. Buffers and
/// saved copies of a tied head are ignored. Every error names the file and the field or tensor. Tensors are mapped but
/// not read yet.
inline checkpoint open_hugging_face(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  nn::config c = read_model_config(detail::json_file(config_path), config_path);
  std::vector<safetensors> shards = detail::open_shards(folder);
  const detail::named_tensors files_of(shards, c);
  std::string found_as;
  // An encoder is often saved without the head that it was trained with, and with or without a pooler.
  if (!c.causal) {
    const std::string sign = (c.names.head_dense.empty() ? c.names.head : c.names.head_dense) + ".weight";
    c.has_head = files_of.find(sign, found_as) != nullptr;
    if (files_of.find(c.names.pooler + ".weight", found_as) == nullptr) c.names.pooler.clear();
  }

  checkpoint::tensor_map tensors;
  std::set<std::string> used;
  for_each_tensor(c, [&](const std::string& name, const std::vector<std::size_t>& shape) {
    const safetensors* shard = files_of.find(name, found_as);
    if (shard == nullptr)
      fail(folder + ": " + name + " is missing, and must be of shape " + text_of(shape) + " by " + config_path);
    tensor_view tensor = *shard->find(found_as);
    if (tensor.shape != shape)
      fail(shard->path() + ": " + printable(found_as) + " has shape " + text_of(tensor.shape) + ", and must have " +
           text_of(shape) + " by " + config_path);
    require_widened(tensor.type, shard->path() + ": " + printable(found_as));
    tensors.emplace(name, std::move(tensor));
    used.insert(found_as);
  });
  for (const safetensors& shard : shards)
    for (const auto& [name, entry] : shard.tensors()) {
      if (used.contains(name) || detail::is_buffer(name)) continue;
      if (const std::string original = detail::copy_of(c, name); !original.empty()) {  // tied, but saved all the same
        if (std::ranges::equal(entry.bytes, tensors.find(original)->second.bytes)) continue;
        fail(shard.path() + ": " + printable(name) + " differs from " + original +
             ", and tie_word_embeddings is true in " + config_path);
      }
      if (!c.causal && detail::is_of_another_head(c, name)) continue;
      fail(shard.path() + ": holds " + printable(name) + ", which a model by " + config_path + " does not have");
    }

  std::vector<memory_map> files;
  for (safetensors& shard : shards) files.push_back(std::move(shard).release());
  return checkpoint(folder, c, std::move(files), std::move(tensors));
}

}  // namespace zoft::inline ZOFT_ISA::io
