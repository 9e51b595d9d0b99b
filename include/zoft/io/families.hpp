/// The families of models that are known, by model_type in config.json. A family is a table from the fields of its
/// config.json to what a model computes; a new one is a file in this folder and a line here.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "family/bert.hpp"
#include "family/config_fields.hpp"
#include "family/distilbert.hpp"
#include "family/gemma.hpp"
#include "family/gemma2.hpp"
#include "family/gemma3_text.hpp"
#include "family/gpt2.hpp"
#include "family/gpt_neox.hpp"
#include "family/granite.hpp"
#include "family/llama.hpp"
#include "family/mistral.hpp"
#include "family/olmo2.hpp"
#include "family/opt.hpp"
#include "family/phi.hpp"
#include "family/phi3.hpp"
#include "family/qwen2.hpp"
#include "family/qwen3.hpp"
#include "family/roberta.hpp"
#include "family/smollm3.hpp"
#include "family/stablelm.hpp"
#include "family/starcoder2.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct family {
  std::string_view name;  ///< model_type
  void (*read)(const config_fields&, nn::config&);
};

inline std::span<const family> families() {
  static constexpr family known[] = {
      {"llama", read_llama},       {"mistral", read_mistral},
      {"qwen2", read_qwen2},       {"qwen3", read_qwen3},
      {"smollm3", read_smollm3},   {"granite", read_granite},
      {"olmo2", read_olmo2},       {"gemma", read_gemma},
      {"gemma2", read_gemma2},     {"gemma3_text", read_gemma3_text},
      {"phi", read_phi},           {"phi3", read_phi3},
      {"gpt2", read_gpt2},         {"gpt_neox", read_gpt_neox},
      {"opt", read_opt},           {"starcoder2", read_starcoder2},
      {"stablelm", read_stablelm}, {"bert", read_bert},
      {"roberta", read_roberta},   {"distilbert", read_distilbert},
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

/// Reads a config.json that was parsed from `path`. Throws, naming the field, if the model computes what is not known
/// here.
inline nn::config read_model_config(const json& root, const std::string& path) {
  const config_fields f(root, path);
  const std::string type = family_of(f);
  f.only("is_encoder_decoder", false);
  if (f.has("quantization_config")) f.refuse("quantization_config", "left out or null");
  for (const family& known : families()) {
    if (type != known.name) continue;
    nn::config result;
    result.family = type;
    known.read(f, result);
    f.check_all_read();
    return result;
  }
  f.refuse("model_type", "one of " + family_names());
}

}  // namespace zoft::inline ZOFT_ISA::io
