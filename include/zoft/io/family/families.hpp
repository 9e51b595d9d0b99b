/// The families of models that are known, by model_type in config.json. A family is a table from the fields of its
/// config.json to what a model computes; a new one is a file in this folder and a line here.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "bert.hpp"
#include "config_fields.hpp"
#include "distilbert.hpp"
#include "gemma.hpp"
#include "gemma2.hpp"
#include "gemma3_text.hpp"
#include "gpt2.hpp"
#include "gpt_neox.hpp"
#include "granite.hpp"
#include "llama.hpp"
#include "mistral.hpp"
#include "olmo2.hpp"
#include "opt.hpp"
#include "phi.hpp"
#include "phi3.hpp"
#include "qwen2.hpp"
#include "qwen3.hpp"
#include "roberta.hpp"
#include "smollm3.hpp"
#include "stablelm.hpp"
#include "starcoder2.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct family {
  std::string_view name;   ///< model_type
  std::string_view model;  ///< the class of transformers, with the head of its tokens
  void (*read)(const config_fields&, nn::config&);
};

inline std::span<const family> families() {
  static constexpr family known[] = {
      {"llama", "LlamaForCausalLM", read_llama},
      {"mistral", "MistralForCausalLM", read_mistral},
      {"qwen2", "Qwen2ForCausalLM", read_qwen2},
      {"qwen3", "Qwen3ForCausalLM", read_qwen3},
      {"smollm3", "SmolLM3ForCausalLM", read_smollm3},
      {"granite", "GraniteForCausalLM", read_granite},
      {"olmo2", "Olmo2ForCausalLM", read_olmo2},
      {"gemma", "GemmaForCausalLM", read_gemma},
      {"gemma2", "Gemma2ForCausalLM", read_gemma2},
      {"gemma3_text", "Gemma3ForCausalLM", read_gemma3_text},
      {"phi", "PhiForCausalLM", read_phi},
      {"phi3", "Phi3ForCausalLM", read_phi3},
      {"gpt2", "GPT2LMHeadModel", read_gpt2},
      {"gpt_neox", "GPTNeoXForCausalLM", read_gpt_neox},
      {"opt", "OPTForCausalLM", read_opt},
      {"starcoder2", "Starcoder2ForCausalLM", read_starcoder2},
      {"stablelm", "StableLmForCausalLM", read_stablelm},
      {"bert", "BertForMaskedLM", read_bert},
      {"roberta", "RobertaForMaskedLM", read_roberta},
      {"distilbert", "DistilBertForMaskedLM", read_distilbert},
  };
  return known;
}

inline std::string family_names() {
  std::string result;
  for (const family& known : families()) result += (result.empty() ? "" : ", ") + std::string(known.name);
  return result;
}

/// model_type, or the family that computes the same under another name.
inline std::string family_of(const config_fields& f) {
  const std::string type = f.string("model_type", "");
  if (type == "gemma3" && !f.has("text_config")) return "gemma3_text";
  if (type == "xlm-roberta" || type == "camembert") return "roberta";
  const json* classes = f.find("architectures");
  if (type == "phi4" && classes != nullptr && *classes == json::array({"Phi3ForCausalLM"})) return "phi3";
  return type;
}

/// Reads what no family has under a name of its own.
inline void read_common_fields(const config_fields& f, const nn::config& c) {
  f.only("is_causal", c.causal);
  f.ignore({"attention_softmax_in_fp32", "scale_attention_softmax_in_fp32"});  // the order of rounding alone
  f.ignore({"max_window_layers"});  // nothing without use_sliding_window, which families without windows refuse
  const json* kinds = f.was_read("layer_types") ? nullptr : f.find("layer_types");
  if (kinds != nullptr && !kinds->is_array()) f.refuse("layer_types", "a list of " + text(c.layers));
  if (kinds == nullptr) return;
  for (const json& kind : *kinds)
    if (kind != "full_attention")
      fail(f.where() + ": layer_types holds " + shown(kind) + ", and may hold \"full_attention\" only in this family");
}

/// Reads a config.json that was parsed from `path`. Throws, naming the field, if the model computes what is not known
/// here.
inline nn::config read_model_config(const json& root, const std::string& path) {
  const config_fields f(root, path);
  const std::string type = family_of(f);
  f.only("is_encoder_decoder", false);
  if (f.has("quantization_config")) f.refuse("quantization_config", "left out or null");
  if (type == "gemma3") f.refuse("text_config", "left out: models of pictures and text are not known here");
  for (const family& known : families()) {
    if (type != known.name) continue;
    nn::config result;
    result.family = type;
    known.read(f, result);
    read_common_fields(f, result);
    f.check_all_read();
    return result;
  }
  f.refuse("model_type", "one of " + family_names());
}

}  // namespace zoft::inline ZOFT_ISA::io
