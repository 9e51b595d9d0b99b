/// Reads and writes low-rank adapters (Hu et al. 2021, arXiv:2106.09685) in the files of Hugging Face's peft,
/// adapter_config.json and adapter_model.safetensors, so that Python can load an adapter trained here, and vice versa.
///
///     W becomes W + (alpha / rank) · B · A      A (rank, in) · B (out, rank)
///
/// The rows of q and k have the order of the model that was trained. llama2.c interleaves rotary pairs, so an adapter
/// of a llama2.c model does not fit the same model converted to Hugging Face's layout.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "hugging_face.hpp"
#include "json.hpp"
#include "output_file.hpp"
#include "printable.hpp"
#include "safetensors.hpp"
#include "tensor.hpp"
#include "utf8.hpp"
#include "weights.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The low-rank addition to one linear.
struct low_rank_tensor {
  std::string name;  ///< the linear, without .weight: model.layers.0.self_attn.q_proj
  std::size_t out = 0, in = 0, rank = 0;
  std::span<const float> a;  ///< (rank, in), row-major
  std::span<const float> b;  ///< (out, rank), row-major
};

/// A low_rank_tensor that owns its numbers.
struct peft_tensor {
  std::string name;
  std::size_t out = 0, in = 0, rank = 0;
  std::vector<float> a, b;

  operator low_rank_tensor() const { return {name, out, in, rank, a, b}; }
};

struct peft_adapter {
  double alpha = 0;
  std::size_t rank = 0;
  std::string base_model;            ///< as the adapter names it; may be empty
  std::vector<peft_tensor> tensors;  ///< ordered by name
};

namespace detail {

inline constexpr std::string_view peft_prefix = "base_model.model.", peft_a = ".lora_A.weight",
                                  peft_b = ".lora_B.weight";

/// peft adapts every module whose name ends in a target. If every kind of linear occurs equally often, the targets are
/// the kinds; otherwise every linear is listed.
inline json target_modules(std::span<const low_rank_tensor> tensors) {
  std::map<std::string, std::size_t> kinds;
  std::set<std::string> names;
  for (const auto& tensor : tensors) {
    ++kinds[tensor.name.substr(tensor.name.rfind('.') + 1)];  // npos + 1 is 0
    names.insert(tensor.name);
  }
  json result = json::array();
  const auto uneven = [&](const auto& kind) { return kind.second != kinds.begin()->second; };
  if (std::any_of(kinds.begin(), kinds.end(), uneven)) return names;
  for (const auto& [kind, count] : kinds) result.push_back(kind);
  return result;
}

/// Refuses settings that would change the formula above.
inline void check_plain_lora(const fields& config) {
  if (config.string("peft_type") != "LORA") config.refuse("peft_type", "LORA");
  if (config.string("bias", "none") != "none") config.refuse("bias", "none");
  for (const char* name : {"fan_in_fan_out", "use_rslora", "use_dora", "use_qalora", "lora_bias"})
    if (config.boolean(name, false)) config.refuse(name, "false");
  for (const char* name : {"modules_to_save", "rank_pattern", "alpha_pattern", "layer_replication", "target_parameters",
                           "trainable_token_indices", "alora_invocation_tokens", "velora_config", "monteclora_config",
                           "use_bdlora", "arrow_config", "kasa_config"})
    if (const json* value = config.find(name); value != nullptr && !(value->is_structured() && value->empty()))
      if (*value != false) config.refuse(name, "left out or empty");
  // Other values, such as pissa, change the model's own weights too.
  if (const json* start = config.find("init_lora_weights"); start != nullptr && !start->is_boolean())
    if (*start != "gaussian" && *start != "orthogonal" && *start != "eva")
      config.refuse("init_lora_weights", "true, false, gaussian, orthogonal or eva");
}

}  // namespace detail

/// Writes both files, each whole or not at all, and makes the folder if it does not exist. `base_model` is the path or
/// name by which Python finds the model. Throws, naming the folder and the linear, if there is no linear, two have the
/// same name, the ranks differ, the length of a span does not match its shape, or a number is not finite.
inline void write_peft(const std::string& folder, std::span<const low_rank_tensor> tensors, double alpha,
                       const std::string& base_model) {
  require(!tensors.empty(), folder + ": an adapter must have one linear at least, and has 0");
  if (!(alpha > 0) || !std::isfinite(alpha))
    fail(folder + ": alpha is " + text(alpha) + ", and must be finite and above 0");
  if (!is_utf8(base_model)) fail(folder + ": the name of the model, '" + printable(base_model) + "', is not UTF-8");
  const std::size_t rank = tensors[0].rank;
  std::vector<named_tensor> named;
  for (const auto& tensor : tensors) {
    const std::string where = folder + ": " + printable(tensor.name);
    if (tensor.name.empty()) fail(folder + ": a linear has an empty name");
    if (tensor.rank == 0 || tensor.rank != rank)
      fail(where + ": rank is " + text(tensor.rank) + ", and must be " +
           (rank == 0 ? "at least 1" : text(rank) + " as that of " + printable(tensors[0].name)));
    const auto add = [&](std::string_view which, std::size_t rows, std::size_t columns, std::span<const float> values) {
      if (values.size() != saturating_product(rows, columns))
        fail(where + std::string(which) + " has " + text(values.size()) + " values, and must be of shape " +
             text_of({rows, columns}));
      if (const auto i = first_not_finite(values))
        fail(where + std::string(which) + " is " + text(values[*i]) + " at element " + text(*i) +
             ", and must be finite");
      named.push_back({std::string(detail::peft_prefix) + tensor.name + std::string(which), {rows, columns}, values});
    };
    add(detail::peft_a, rank, tensor.in, tensor.a);
    add(detail::peft_b, tensor.out, rank, tensor.b);
  }

  const json config = {
      {"peft_type", "LORA"},
      {"task_type", "CAUSAL_LM"},
      {"base_model_name_or_path", base_model},
      {"r", rank},
      {"lora_alpha", alpha == std::floor(alpha) && alpha < 1e15 ? json(std::int64_t(alpha)) : json(alpha)},
      {"target_modules", detail::target_modules(tensors)},
      {"lora_dropout", 0.0},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"inference_mode", true},
      {"init_lora_weights", true},
      {"modules_to_save", nullptr},
      {"use_rslora", false},
      {"use_dora", false}};
  const std::string config_text = config.dump(2) + "\n";

  make_folder(folder);
  const std::string config_path = folder + "/adapter_config.json", weights_path = folder + "/adapter_model.safetensors";
  output_file weights_file(weights_path), config_file(config_path);
  write_safetensors(weights_file, weights_path, named, {{"format", "pt"}});
  config_file.write(config_text);
  weights_file.finish();
  config_file.finish();
  weights_file.commit();
  config_file.commit();
}

/// Reads an adapter whose tensors are F32, F16 or BF16. Throws, naming the file and the field or tensor, if a matrix
/// lacks its other half, a shape does not match the rank, a number is not finite, or the adapter is not plain LoRA.
inline peft_adapter read_peft(const std::string& folder) {
  const std::string config_path = folder + "/adapter_config.json";
  const json root = detail::json_file(config_path);
  const fields config(root, config_path);
  detail::check_plain_lora(config);
  peft_adapter result;
  result.rank = config.whole("r", 1, largest_extent);
  result.alpha = config.positive("lora_alpha");
  result.base_model = config.string("base_model_name_or_path", "");

  const safetensors file(folder + "/adapter_model.safetensors");
  const auto matrix = [&](const std::string& name, std::size_t rank_at, std::vector<float>& out) {
    const auto found = file.find(name);
    if (!found) fail(file.path() + ": " + printable(name) + " is missing, and its other half is there");
    if (found->shape.size() != 2 || found->shape[rank_at] != result.rank)
      fail(file.path() + ": " + printable(name) + " has shape " + text_of(found->shape) +
           ", and must have 2 extents, the " + (rank_at == 0 ? "first " : "second ") + text(result.rank) +
           ", which is r in " + config_path);
    out.resize(found->size());
    widen(*found, out);
    if (const auto i = first_not_finite(out))
      fail(file.path() + ": " + printable(name) + " is " + text(out[*i]) + " at element " + text(*i) +
           ", and must be finite");
    return found->shape[1 - rank_at];
  };
  for (const auto& [name, entry] : file.tensors()) {
    const bool is_a = name.ends_with(detail::peft_a), is_b = name.ends_with(detail::peft_b);
    if (!name.starts_with(detail::peft_prefix) || !(is_a || is_b) ||
        name.size() <= detail::peft_prefix.size() + detail::peft_a.size())
      fail(file.path() + ": holds " + printable(name) +
           ", which is neither lora_A.weight nor lora_B.weight of a linear");
    const std::string stem = name.substr(0, name.size() - detail::peft_a.size());
    if (is_b) {
      if (!file.tensors().contains(stem + std::string(detail::peft_a)))
        fail(file.path() + ": " + printable(stem) + ".lora_A.weight is missing, and its other half is there");
      continue;
    }
    peft_tensor& tensor = result.tensors.emplace_back();
    tensor.name = stem.substr(detail::peft_prefix.size());
    tensor.rank = result.rank;
    tensor.in = matrix(name, 0, tensor.a);
    tensor.out = matrix(stem + std::string(detail::peft_b), 1, tensor.b);
  }
  if (result.tensors.empty()) fail(file.path() + ": holds no tensors");
  return result;
}

/// Throws if the adapter has a linear that the model does not have, or has in another shape.
inline void check_fits(const peft_adapter& adapter, const checkpoint& model) {
  for (const auto& tensor : adapter.tensors) model.at(tensor.name + ".weight", {tensor.out, tensor.in});
}

}  // namespace zoft::inline ZOFT_ISA::io
