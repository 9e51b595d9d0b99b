/// The architectures of GGUF files that are known, by general.architecture: what their keys are called in the family's
/// config.json. So one table a family, in io/family, says what a model computes, whatever file it comes from.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/model_config.hpp"
#include "../families.hpp"
#include "../gguf.hpp"
#include "../json.hpp"
#include "../weights.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct gguf_architecture {
  std::string_view name;     ///< general.architecture
  std::string_view family;   ///< model_type
  bool interleaved = false;  ///< the converter has put the rows of q and k in the order of interleaved pairs
  const char* epsilon = "rms_norm_eps";
  void (*more)(const gguf&, json&) = nullptr;  ///< adds what this architecture alone has
};

namespace detail {

/// The keys of one architecture, which its name precedes.
inline std::string gguf_key(const gguf& file, const std::string& name) {
  return file.string("general.architecture") + "." + name;
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

/// Whether any block has a bias of that name.
inline bool gguf_has(const gguf& file, const std::string& name) { return file.tensors().contains(name); }

inline void gguf_llama(const gguf& file, json& config) {
  config["attention_bias"] = gguf_has(file, "blk.0.attn_q.bias");
  config["mlp_bias"] = gguf_has(file, "blk.0.ffn_down.bias");
  for (const char* name : {"expert_count", "expert_used_count"})
    if (file.find(gguf_key(file, name)) != nullptr && file.whole(gguf_key(file, name), 0, largest_extent) > 0)
      file.refuse(gguf_key(file, name), "0: mixtures of experts are not known here");
}

inline void gguf_qwen3(const gguf& file, json& config) {
  config["attention_bias"] = gguf_has(file, "blk.0.attn_q.bias");
}

inline void gguf_granite(const gguf& file, json& config) {
  gguf_llama(file, config);
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
  // The 27B divides by √(dim/heads). Its files do not say so, and llama.cpp knows it by its number of blocks.
  const auto heads = config["num_attention_heads"].get<double>(), dim = config["hidden_size"].get<double>();
  config["query_pre_attn_scalar"] = config["num_hidden_layers"] == 46 ? dim / heads : config["head_dim"].get<double>();
}

inline void gguf_gemma3(const gguf& file, json& config) {
  set_real(file, config, "final_logit_softcapping", "final_logit_softcapping");
  set_window(file, config);
  set_real(file, config, "rope_local_base_freq", "rope.freq_base_swa");
  const std::string pattern = gguf_key(file, "attention.sliding_window_pattern");
  if (const gguf_value* found = file.find(pattern); found != nullptr && found->is_list)
    for (const bool slides : file.booleans(pattern))
      config["layer_types"].push_back(slides ? "sliding_attention" : "full_attention");
  else if (found != nullptr)
    config["sliding_window_pattern"] = file.whole(pattern, 1, largest_extent);
  const auto heads = config["num_attention_heads"].get<double>(), dim = config["hidden_size"].get<double>();
  config["query_pre_attn_scalar"] = config["num_hidden_layers"] == 62 ? dim / heads : config["head_dim"].get<double>();
}

inline void gguf_phi3(const gguf& file, json& config) { set_window(file, config); }

inline void gguf_gpt2(const gguf&, json& config) {
  config["n_inner"] = config["intermediate_size"];
  config.erase("head_dim");
  config.erase("rope_parameters");
}

inline void gguf_gpt_neox(const gguf& file, json& config) {
  config["use_parallel_residual"] = file.boolean(gguf_key(file, "use_parallel_residual"));
  config["attention_bias"] = gguf_has(file, "blk.0.attn_qkv.bias");
}

inline void gguf_stablelm(const gguf& file, json& config) {
  config["use_qkv_bias"] = gguf_has(file, "blk.0.attn_q.bias");
  config["use_parallel_residual"] = !gguf_has(file, "blk.0.ffn_norm.weight");
}

inline void gguf_bert(const gguf& file, json& config) {
  config["type_vocab_size"] =
      file.tensor("token_types.weight") ? file.tensor("token_types.weight")->shape[0] : std::size_t{0};
  config.erase("head_dim");
  config.erase("rope_parameters");
}

}  // namespace detail

/// Those whose files were compared with what they were converted from.
inline std::span<const gguf_architecture> gguf_architectures() {
  static constexpr gguf_architecture known[] = {
      {"llama", "llama", true, "rms_norm_eps", detail::gguf_llama},
      {"qwen2", "qwen2", false},
      {"qwen3", "qwen3", false, "rms_norm_eps", detail::gguf_qwen3},
      {"smollm3", "smollm3", true, "rms_norm_eps", detail::gguf_llama},
      {"granite", "granite", true, "rms_norm_eps", detail::gguf_granite},
      {"olmo2", "olmo2", false},
      {"gemma", "gemma", false},
      {"gemma2", "gemma2", false, "rms_norm_eps", detail::gguf_gemma2},
      {"gemma3", "gemma3_text", false, "rms_norm_eps", detail::gguf_gemma3},
      {"phi3", "phi3", false, "rms_norm_eps", detail::gguf_phi3},
      {"gpt2", "gpt2", false, "layer_norm_epsilon", detail::gguf_gpt2},
      {"gptneox", "gpt_neox", false, "layer_norm_eps", detail::gguf_gpt_neox},
      {"stablelm", "stablelm", false, "layer_norm_eps", detail::gguf_stablelm},
      {"starcoder2", "starcoder2", false, "norm_epsilon"},
      {"bert", "bert", false, "layer_norm_eps", detail::gguf_bert},
  };
  return known;
}

}  // namespace zoft::inline ZOFT_ISA::io
