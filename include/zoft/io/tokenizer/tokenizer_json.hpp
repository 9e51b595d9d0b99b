/// Reads Hugging Face's tokenizer.json (the format of the library tokenizers, version 1.0), and the files beside it
/// that name the special tokens: tokenizer_config.json, special_tokens_map.json and chat_template.jinja.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../../core/config.hpp"
#include "../file/json.hpp"
#include "../file/memory_map.hpp"
#include "json_models.hpp"
#include "json_stages.hpp"
#include "pipeline.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

namespace detail {

/// The file's bytes, which are copied.
inline std::string whole_file(const std::string& path) {
  const memory_map file(path);
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline bool file_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

/// A token as the files write it: a string, or an object with its content.
inline std::optional<std::string> token_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) return std::nullopt;
  const auto content = value.find("content");
  return content != value.end() && content->is_string() ? std::optional(content->get<std::string>()) : std::nullopt;
}

/// The fields of an added token.
inline added_token read_added_token(const json& value, std::size_t id, const std::string& where) {
  const fields given(value, where);
  added_token result;
  result.text = given.string("content");
  result.id = static_cast<std::int32_t>(id);
  result.single_word = given.boolean("single_word", false);
  result.left_strip = given.boolean("lstrip", false);
  result.right_strip = given.boolean("rstrip", false);
  result.special = given.boolean("special", false);
  result.normalized = given.boolean("normalized", !result.special);
  return result;
}

/// Sets the special tokens that `config` names, and that were not named before.
inline void name_special_tokens(pipeline& p, const json& config) {
  const std::array<std::pair<const char*, std::optional<std::int32_t>*>, 7> names{{{"bos_token", &p.special.bos},
                                                                                   {"eos_token", &p.special.eos},
                                                                                   {"unk_token", &p.special.unknown},
                                                                                   {"pad_token", &p.special.pad},
                                                                                   {"mask_token", &p.special.mask},
                                                                                   {"cls_token", &p.special.cls},
                                                                                   {"sep_token", &p.special.sep}}};
  for (const auto& [name, id] : names) {
    const auto found = config.find(name);
    if (*id || found == config.end()) continue;
    if (const auto token = token_text(*found)) *id = p.find(*token);
  }
}

/// A chat template: a string, or a list of named ones, of which "default" is taken.
inline std::optional<std::string> chat_template_of(const json& config) {
  const auto found = config.find("chat_template");
  if (found == config.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return std::nullopt;
  for (const json& each : *found)
    if (each.is_object() && each.value("name", json()) == "default" && each.contains("template") &&
        each["template"].is_string())
      return each["template"].get<std::string>();
  return std::nullopt;
}

}  // namespace detail

/// An object of the folder's file of that name, or an empty one if there is no such file.
inline json config_beside(const std::string& folder, const char* name) {
  const std::string path = folder + "/" + name;
  if (!detail::file_exists(path)) return json::object();
  json result = parse_json(detail::whole_file(path), path);
  if (!result.is_object()) fail(path + ": is " + shown(result) + ", and must be an object");
  return result;
}

/// Special tokens and the chat template, from the files of the folder. What they leave open is taken from special
/// tokens of the usual names.
inline void read_special_tokens(pipeline& p, const std::string& folder) {
  const json config = config_beside(folder, "tokenizer_config.json");
  detail::name_special_tokens(p, config);
  detail::name_special_tokens(p, config_beside(folder, "special_tokens_map.json"));
  p.chat_template = detail::chat_template_of(config);
  if (const std::string file = folder + "/chat_template.jinja"; detail::file_exists(file))
    p.chat_template = detail::whole_file(file);

  const auto usual = [&](std::optional<std::int32_t>& id, const char* config_name,
                         std::initializer_list<const char*> names) {
    if (config.contains(config_name)) return;  // null there means that there is none
    for (const char* name : names)
      if (!id && p.special_texts.contains(name)) id = p.find(name);
  };
  usual(p.special.bos, "bos_token", {"<s>", "<bos>", "<|begin_of_text|>", "<|endoftext|>"});
  usual(p.special.eos, "eos_token", {"</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>"});
  usual(p.special.unknown, "unk_token", {"<unk>", "[UNK]"});
  usual(p.special.pad, "pad_token", {"<pad>", "[PAD]"});
  usual(p.special.mask, "mask_token", {"<mask>", "[MASK]"});
  usual(p.special.cls, "cls_token", {"[CLS]"});
  usual(p.special.sep, "sep_token", {"[SEP]"});
}

/// Padding and truncation, which the file may ask for, are the caller's: they are ignored.
inline pipeline read_tokenizer_json(const json& root, const std::string& path) {
  const fields given(root, path);
  const auto where = [&](const char* part) { return path + ": " + part; };
  pipeline p;
  if (const json* value = given.find("normalizer")) add_normalizers(p.normalize, *value, where("normalizer"));
  bool byte_level = false;
  if (const json* value = given.find("pre_tokenizer"))
    byte_level = add_splitters(p.divide, *value, where("pre_tokenizer"));
  const json* model = given.find("model");
  if (model == nullptr) given.refuse("model", "an object");
  read_model(p, *model, byte_level, where("model"));
  if (const json* value = given.find("post_processor")) add_post_processor(p, *value, where("post_processor"));
  if (const json* value = given.find("decoder")) add_decoders(p.decode, *value, where("decoder"));
  if (const json* list = given.find("added_tokens")) {
    if (!list->is_array()) given.refuse("added_tokens", "a list");
    for (const json& value : *list) {
      const std::string here = where("added_tokens");
      added_token token =
          detail::read_added_token(value, fields(value, here).whole("id", 0, vocabulary::most - 1), here);
      if (token.text.empty()) continue;
      if (const auto known = p.find(token.text)) token.id = *known;
      p.add(token, here);
    }
  }
  return p;
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
