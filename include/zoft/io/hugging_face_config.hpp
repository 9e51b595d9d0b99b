/// The config.json of a model, whatever file it was read from, as transformers reads it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/model_config.hpp"
#include "family/families.hpp"
#include "file/file_kind.hpp"
#include "file/json.hpp"
#include "file/memory_map.hpp"
#include "file/printable.hpp"
#include "gguf/model.hpp"
#include "hugging_face.hpp"
#include "llama2c.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The class of transformers that a model of the shape c is.
inline std::string transformers_class(const nn::config& c) {
  for (const family& known : families())
    if (known.name == c.family) {
      const std::size_t head = std::min(known.model.find("For"), known.model.find("LMHead"));
      return c.has_head ? std::string(known.model) : std::string(known.model.substr(0, head)) + "Model";
    }
  fail("the family " + printable(c.family) + " has no class of transformers that is known here");
}

namespace detail {

inline bool nearly(double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b)); }
/// Of divisors, of which none is the same as ones.
inline bool nearly(const std::vector<double>& a, const std::vector<double>& b) {
  if (!a.empty() && !b.empty() && a.size() != b.size()) return false;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i)
    if (!nearly(a.empty() ? 1.0 : a[i], b.empty() ? 1.0 : b[i])) return false;
  return true;
}

/// The rope_scaling that has these divisors, if there is one of the usual kinds. Of the four numbers of Llama 3's kind,
/// all released models have the same low_freq_factor and high_freq_factor.
inline std::optional<json> scaling_of(const std::vector<double>& divisors, double base) {
  const double factor = std::ranges::max(divisors);
  if (std::ranges::min(divisors) == factor) return json{{"rope_type", "linear"}, {"factor", factor}};
  for (std::size_t power = 1; power <= 24; ++power) {
    const std::size_t original = std::size_t{1} << power;
    json made = {{"rope_type", "llama3"},
                 {"factor", factor},
                 {"low_freq_factor", 1.0},
                 {"high_freq_factor", 4.0},
                 {"original_max_position_embeddings", original}};
    if (nearly(llama3_divisors(fields(made, ""), base, 2 * divisors.size(), static_cast<double>(original)), divisors))
      return made;
  }
  return std::nullopt;
}

/// Writes the rotary fields where version 4 of transformers looks for them, which version 5 reads too. `made` is what
/// gguf_config says of the file, and is read again as a model of the shape c must be.
inline void write_rotary(json& made, const nn::config& c, bool partial) {
  json rope = std::move(made["rope_parameters"]);
  made.erase("rope_parameters");
  const bool neox = c.family == "gpt_neox";
  made[neox ? "rotary_emb_base" : "rope_theta"] = rope["rope_theta"];
  const double head = static_cast<double>(c.head_dim), share = static_cast<double>(c.rotary_dims) / head;
  const bool exact = static_cast<std::size_t>(head * share) == c.rotary_dims;
  if (partial)
    made[neox ? "rotary_pct" : "partial_rotary_factor"] = exact ? json(share) : rope["partial_rotary_factor"];
  rope.erase("rope_theta");
  rope.erase("partial_rotary_factor");
  if (rope["rope_type"] != "default") made["rope_scaling"] = std::move(rope);
  const auto differs = [&] {
    const nn::rope_scaling said = read_model_config(made, "config.json").scaling;
    return !nearly(said.divisors, c.scaling.divisors) || !nearly(said.amplitude, c.scaling.amplitude);
  };
  if (!c.scaling.long_divisors.empty()) {
    made["rope_scaling"] = {
        {"type", "longrope"}, {"short_factor", c.scaling.divisors}, {"long_factor", c.scaling.long_divisors}};
    made["original_max_position_embeddings"] = c.scaling.long_after;
  } else if (!c.scaling.divisors.empty() && c.scaling.amplitude == 1 && differs()) {
    if (auto scaling = scaling_of(c.scaling.divisors, c.rope_base)) made["rope_scaling"] = std::move(*scaling);
  }
  if (made.contains("rope_scaling") && differs()) made["rope_scaling"]["attention_factor"] = c.scaling.amplitude;
  if (differs())
    fail("a config.json cannot say the rotary angles of this model, so it cannot be saved as a folder: it has " +
         text(c.scaling.divisors.size()) + " divisors, by rope_freqs.weight or a factor, and the amplitude " +
         text(c.scaling.amplitude));
}

/// Says which linears have a bias. What config.json has for several at once is true if one of them has one.
inline void write_biases(json& made, const nn::config& c) {
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::ranges::find(names, std::string_view(c.family)) != names.end();
  };
  const bool attention = c.bias.query_key_value || c.bias.attention_output;
  if (is({"llama", "qwen3", "smollm3", "granite", "olmo2", "gemma", "gemma2", "gemma3_text", "gpt_neox"}))
    made["attention_bias"] = attention;
  if (is({"llama", "smollm3", "granite"})) made["mlp_bias"] = c.bias.mlp;
  if (is({"stablelm"})) made["use_qkv_bias"] = c.bias.query_key_value;
  if (is({"starcoder2"})) made["use_bias"] = attention || c.bias.mlp;
}

/// The config.json of a model from a GGUF file.
inline json config_of_gguf(const std::string& source, const nn::config& c) {
  const gguf file(source);
  const gguf_architecture* architecture = nullptr;
  for (const gguf_architecture& each : gguf_architectures())
    if (each.name == file.string("general.architecture")) architecture = &each;
  if (architecture == nullptr || architecture->family != c.family)
    file.refuse("general.architecture", "that of the model to save, whose family is " + c.family);
  json made = gguf_config(file, *architecture);
  write_biases(made, c);
  if (c.rotates()) write_rotary(made, c, architecture->partial);
  if (made.contains("query_pre_attn_scalar")) {  // transformers wants a whole number
    const auto scalar = made["query_pre_attn_scalar"].get<double>();
    if (scalar == std::floor(scalar)) made["query_pre_attn_scalar"] = static_cast<std::int64_t>(scalar);
  }
  if (c.family == "gpt2")
    for (const auto& [theirs, own] : {std::pair{"hidden_size", "n_embd"},
                                      {"num_hidden_layers", "n_layer"},
                                      {"num_attention_heads", "n_head"},
                                      {"max_position_embeddings", "n_positions"}}) {
      made[own] = made[theirs];
      made.erase(theirs);
    }
  if (c.family == "gpt2") made.erase("intermediate_size");
  if (c.family == "gpt2" || c.family == "gpt_neox" || c.family == "bert")
    for (const char* field : {"num_key_value_heads", "head_dim"}) made.erase(field);
  for (const auto& [field, key] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                   {"eos_token_id", "tokenizer.ggml.eos_token_id"},
                                   {"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    made[field] = nullptr;
    if (file.find(key) != nullptr) made[field] = file.whole(key, 0, c.vocabulary - 1);
  }
  return made;
}

/// The config.json of a model from a llama2.c file, which knows no other tokens than 1 and 2.
inline json config_of_llama2c(const nn::config& c) {
  return {{"model_type", "llama"},
          {"hidden_size", c.dim},
          {"intermediate_size", c.hidden},
          {"num_hidden_layers", c.layers},
          {"num_attention_heads", c.heads},
          {"num_key_value_heads", c.kv_heads},
          {"vocab_size", c.vocabulary},
          {"max_position_embeddings", c.context},
          {"rms_norm_eps", c.norm_epsilon},
          {"rope_theta", c.rope_base},
          {"hidden_act", "silu"},
          {"attention_bias", false},
          {"mlp_bias", false},
          {"tie_word_embeddings", c.tied_head},
          {"bos_token_id", 1},
          {"eos_token_id", 2},
          {"pad_token_id", nullptr}};
}

/// Throws, naming what differs, unless a model of the shape `said` computes what one of the shape c does.
inline void check_same_model(const nn::config& said, const nn::config& c, const std::string& source) {
  const auto same = [&](const char* what, bool holds) {
    if (!holds)
      fail(source + ": a config.json made from it does not give the model's " + what +
           ", so it is not what the model was loaded from, or the model cannot be saved as a folder");
  };
  const auto dims = [](const nn::config& of) { return of.rotary_dims == 0 ? of.head_dim : of.rotary_dims; };
  same("family", said.family == c.family);
  same("width", said.dim == c.dim && said.hidden == c.hidden && said.row_dim() == c.row_dim());
  same("number of blocks", said.layers == c.layers);
  same("number of heads", said.heads == c.heads && said.kv_heads == c.kv_heads && said.head_dim == c.head_dim);
  same("vocabulary", said.vocabulary == c.vocabulary && said.token_types == c.token_types);
  same("context", said.context == c.context && said.first_position == c.first_position);
  same("head", said.tied_head == c.tied_head);
  same("epsilon", nearly(said.norm_epsilon, c.norm_epsilon));
  same("activation", said.act == c.act);
  same("order of its parts", said.norm == c.norm && said.parallel == c.parallel && said.shared_norm == c.shared_norm &&
                                 said.causal == c.causal && said.query_key_norm == c.query_key_norm &&
                                 said.learned_positions == c.learned_positions);
  if (c.rotates())
    same("rotary angle", nearly(said.rope_base, c.rope_base) && nearly(said.local_rope_base, c.local_rope_base) &&
                             dims(said) == dims(c) && nearly(said.scaling.divisors, c.scaling.divisors) &&
                             nearly(said.scaling.long_divisors, c.scaling.long_divisors) &&
                             said.scaling.long_after == c.scaling.long_after &&
                             nearly(said.scaling.amplitude, c.scaling.amplitude));
  for (std::size_t i = 0; i < c.layers; ++i) {
    const nn::layer_config a = said.layer(i), b = c.layer(i);
    same("kind of block",
         a.window == b.window && a.rotary == b.rotary && a.local == b.local && nearly(a.score_scale, b.score_scale));
  }
  same("scale", nearly(said.attention_scale, c.attention_scale) && nearly(said.attention_cap, c.attention_cap) &&
                    nearly(said.embedding_scale, c.embedding_scale) && nearly(said.residual_scale, c.residual_scale) &&
                    nearly(said.logit_scale, c.logit_scale) && nearly(said.logit_cap, c.logit_cap));
}

}  // namespace detail

/// A model's config.json, and the shape that it says, which is that of the tensors in the folder.
struct hugging_face_form {
  json config;
  nn::config shape;
};

/// The form of a model of the shape c that was read from `source`. A Hugging Face folder's own config.json is kept, up
/// to the type of the weights; `type` is transformers' name of it. Throws if the model is not that of the source, or if
/// config.json cannot say what it computes.
inline hugging_face_form hugging_face_form_of(const std::string& source, const nn::config& c, const std::string& type) {
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(source, ignored);
  hugging_face_form result;
  if (is_folder)
    result.config = detail::json_file(source + "/config.json");
  else if (file_kind(memory_map(source).bytes()) == file_kinds::gguf)
    result.config = detail::config_of_gguf(source, c);
  else
    result.config = detail::config_of_llama2c(open_llama2c(source).shape());
  result.shape = read_model_config(result.config, is_folder ? source + "/config.json" : source);
  result.shape.has_head = c.has_head;
  result.shape.names.pooler = c.names.pooler;
  detail::check_same_model(result.shape, c, source);
  json& config = result.config;
  config.erase("auto_map");  // names Python files that are not copied
  if (!config.contains("architectures") || config["architectures"].is_null())
    config["architectures"] = json::array({transformers_class(c)});
  // Version 4 of transformers calls it torch_dtype, and version 5 reads both.
  if (config.contains("dtype")) config["dtype"] = type;
  if (!config.contains("dtype") || config.contains("torch_dtype")) config["torch_dtype"] = type;
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
