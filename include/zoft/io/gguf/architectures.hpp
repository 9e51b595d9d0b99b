/// The architectures of GGUF files that are known, by general.architecture: what their keys are called in the family's
/// config.json. So one table a family, in io/family, says what a model computes, whatever file it comes from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/model_config.hpp"
#include "../family/families.hpp"
#include "../file/gguf.hpp"
#include "../file/json.hpp"
#include "../file/weights.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct gguf_architecture {
  std::string_view name;     ///< general.architecture
  std::string_view family;   ///< model_type
  bool interleaved = false;  ///< the converter has put the rows of q and k in the order of interleaved pairs
  bool partial = false;      ///< rope.dimension_count may be less than a head has elements
  const char* epsilon = "rms_norm_eps";
  void (*more)(const gguf&, json&) = nullptr;  ///< adds what this architecture alone has
};

namespace detail {

/// The keys of one architecture, which its name precedes.
inline std::string gguf_key(const gguf& file, const std::string& name) {
  return file.string("general.architecture") + "." + name;
}

/// A whole number from 1 to `most`. A file may also hold a list of it, one for each block, if they are all the same.
inline std::size_t gguf_extent(const gguf& file, const std::string& name,
                               std::optional<std::size_t> absent = std::nullopt, std::size_t most = largest_extent) {
  const std::string key = gguf_key(file, name);
  const gguf_value* found = file.find(key);
  if (found == nullptr || !found->is_list) return file.whole(key, 1, most, absent);
  const std::vector<std::int32_t> all = file.integers(key);
  if (all.empty() || all[0] < 1 || static_cast<std::size_t>(all[0]) > most ||
      std::ranges::any_of(all, [&](std::int32_t each) { return each != all[0]; }))
    file.refuse(key, "a whole number from 1 to " + text(most) + ", the same in all blocks");
  return static_cast<std::size_t>(all[0]);
}

inline void set_real(const gguf& file, json& config, const char* field, const std::string& name) {
  if (file.find(gguf_key(file, name)) != nullptr) config[field] = file.real(gguf_key(file, name));
}

/// The same, where 0 means that the file does not say.
inline void set_positive(const gguf& file, json& config, const char* field, const std::string& name) {
  if (file.find(gguf_key(file, name)) != nullptr && file.real(gguf_key(file, name)) != 0)
    config[field] = file.real(gguf_key(file, name));
}

inline void set_window(const gguf& file, json& config) {
  const std::string key = gguf_key(file, "attention.sliding_window");
  if (file.find(key) != nullptr && file.whole(key, 0, largest_extent) > 0)
    config["sliding_window"] = file.whole(key, 0, largest_extent);
}

/// Which blocks have a window: every one but each `every`-th, or what the file says.
inline void set_window_pattern(const gguf& file, json& config, std::size_t every) {
  const std::string key = gguf_key(file, "attention.sliding_window_pattern");
  const gguf_value* found = file.find(key);
  json& kinds = config["layer_types"] = json::array();
  if (found != nullptr && found->is_list) {
    const std::vector<bool> slides = file.booleans(key);
    if (slides.size() != config["num_hidden_layers"]) file.refuse(key, "one for each block");
    for (const bool each : slides) kinds.push_back(each ? "sliding_attention" : "full_attention");
    return;
  }
  every = file.whole(key, 1, largest_extent, every);
  for (std::size_t i = 1; i <= config["num_hidden_layers"].get<std::size_t>(); ++i)
    kinds.push_back(i % every != 0 ? "sliding_attention" : "full_attention");
}

inline bool gguf_has(const gguf& file, const std::string& name) { return file.tensors().contains(name); }

inline void gguf_granite(const gguf& file, json& config) {
  set_positive(file, config, "embedding_multiplier", "embedding_scale");
  set_positive(file, config, "residual_multiplier", "residual_scale");
  set_positive(file, config, "logits_scaling", "logit_scale");
  config["attention_multiplier"] = 1 / std::sqrt(config["head_dim"].get<double>());
  set_positive(file, config, "attention_multiplier", "attention.scale");
}

inline void gguf_gemma2(const gguf& file, json& config) {
  set_real(file, config, "attn_logit_softcapping", "attn_logit_softcapping");
  set_real(file, config, "final_logit_softcapping", "final_logit_softcapping");
  set_window(file, config);
  set_window_pattern(file, config, 2);
  // The 27B divides by √(dim/heads). Its files do not say so, and llama.cpp knows it by its number of blocks.
  const auto heads = config["num_attention_heads"].get<double>(), dim = config["hidden_size"].get<double>();
  config["query_pre_attn_scalar"] = config["num_hidden_layers"] == 46 ? dim / heads : config["head_dim"].get<double>();
}

inline void gguf_gemma3(const gguf& file, json& config) {
  set_real(file, config, "final_logit_softcapping", "final_logit_softcapping");
  set_window(file, config);
  set_real(file, config, "rope_local_base_freq", "rope.freq_base_swa");
  if (config.contains("sliding_window"))
    set_window_pattern(file, config, 6);
  else
    config["sliding_window_pattern"] = std::size_t{1};
  const auto heads = config["num_attention_heads"].get<double>(), dim = config["hidden_size"].get<double>();
  config["query_pre_attn_scalar"] = config["num_hidden_layers"] == 62 ? dim / heads : config["head_dim"].get<double>();
}

inline void gguf_olmo2(const gguf& file, json&) {
  const std::string key = gguf_key(file, "attention.sliding_window");
  if (file.whole(key, 0, largest_extent, 0) > 0) file.refuse(key, "0 or left out: OLMo 3 is not known here");
}

inline void gguf_phi3(const gguf& file, json& config) { set_window(file, config); }

inline void gguf_gpt2(const gguf&, json& config) {
  config["n_inner"] = config["intermediate_size"];
  config.erase("rope_parameters");
}

inline void gguf_gpt_neox(const gguf& file, json& config) {
  config["use_parallel_residual"] = file.boolean(gguf_key(file, "use_parallel_residual"));
}

inline void gguf_stablelm(const gguf& file, json& config) {
  // The converter writes use_parallel_residual even if config.json does not have it, so the tensors say more.
  config["use_parallel_residual"] = !gguf_has(file, "blk.0.ffn_norm.weight");
  config["qk_layernorm"] = gguf_has(file, "blk.0.attn_q_norm.weight");
}

inline void gguf_bert(const gguf& file, json& config) {
  const std::string key = gguf_key(file, "attention.causal");
  if (file.boolean(key, false)) file.refuse(key, "false");
  const auto types = file.tensor("token_types.weight");
  config["type_vocab_size"] = types && types->shape.size() == 2 ? types->shape[0] : 1;
  config.erase("rope_parameters");
}

}  // namespace detail

inline std::span<const gguf_architecture> gguf_architectures() {
  static constexpr const char* layer_norm = "layer_norm_eps";
  static constexpr gguf_architecture known[] = {
      {.name = "llama", .family = "llama", .interleaved = true},
      {.name = "qwen2", .family = "qwen2"},
      {.name = "qwen3", .family = "qwen3"},
      {.name = "smollm3", .family = "smollm3", .interleaved = true},
      {.name = "granite", .family = "granite", .interleaved = true, .more = detail::gguf_granite},
      {.name = "olmo2", .family = "olmo2", .more = detail::gguf_olmo2},
      {.name = "gemma", .family = "gemma"},
      {.name = "gemma2", .family = "gemma2", .more = detail::gguf_gemma2},
      {.name = "gemma3", .family = "gemma3_text", .more = detail::gguf_gemma3},
      {.name = "phi2", .family = "phi", .partial = true, .epsilon = layer_norm},
      {.name = "phi3", .family = "phi3", .partial = true, .more = detail::gguf_phi3},
      {.name = "gpt2", .family = "gpt2", .epsilon = "layer_norm_epsilon", .more = detail::gguf_gpt2},
      {.name = "gptneox", .family = "gpt_neox", .partial = true, .epsilon = layer_norm, .more = detail::gguf_gpt_neox},
      {.name = "stablelm", .family = "stablelm", .partial = true, .epsilon = layer_norm, .more = detail::gguf_stablelm},
      {.name = "starcoder2", .family = "starcoder2", .epsilon = "norm_epsilon"},
      {.name = "bert", .family = "bert", .epsilon = layer_norm, .more = detail::gguf_bert},
  };
  return known;
}

}  // namespace zoft::inline ZOFT_ISA::io
