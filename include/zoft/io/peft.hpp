/// Reads and writes low-rank adapters (Hu et al. 2021, arXiv:2106.09685) in the files of Hugging Face's peft,
/// adapter_config.json and adapter_model.safetensors, so that Python can load an adapter trained here, and vice versa.
///
///     W becomes W + s·B·A       A (rank, in) · B (out, rank) · s = alpha/rank, or alpha/√rank with use_rslora
///
/// rank_pattern and alpha_pattern give some linears a rank or an alpha of their own. An embedding's factors are stored
/// transposed: lora_embedding_A (rank, tokens) and lora_embedding_B (width, rank). Here an embedding is a linear like
/// others, W (tokens, width), with B = lora_embedding_Aᵀ and A = lora_embedding_Bᵀ.
///
/// The rows of q and k have the order of the model that was trained. llama2.c interleaves rotary pairs, so an adapter
/// of a llama2.c model does not fit the same model converted to Hugging Face's layout; see rotary_rows.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "file/json.hpp"
#include "file/low_rank_tensor.hpp"
#include "file/output_file.hpp"
#include "file/printable.hpp"
#include "file/safetensors.hpp"
#include "file/tensor.hpp"
#include "file/utf8.hpp"
#include "file/weights.hpp"
#include "peft/name_pattern.hpp"

namespace zoft::inline ZOFT_ISA::io {

using peft_tensor = owned_low_rank_tensor;

struct peft_adapter {
  double alpha = 0;                  ///< lora_alpha, of tensors without an alpha of their own
  std::size_t rank = 0;              ///< r, likewise
  bool rslora = false;               ///< use_rslora
  std::string base_model;            ///< as the adapter names it; may be empty
  std::vector<peft_tensor> tensors;  ///< ordered by name

  /// The model's own weights of modules that are adapted, by their names without .weight: peft saves those of
  /// embeddings and heads along with the adapter. They are views of the adapter's file.
  std::map<std::string, tensor_view> base_weights;
  std::shared_ptr<const memory_map> file;
};

namespace detail {

/// The tensors of a module, and how their names end.
enum class peft_part { a, b, embedding_a, embedding_b, base };

inline constexpr std::string_view peft_prefix = "base_model.model.";
inline constexpr std::string_view peft_endings[] = {".lora_A.weight", ".lora_B.weight", ".lora_embedding_A",
                                                    ".lora_embedding_B", ".base_layer.weight"};

inline std::string peft_name(const std::string& module_name, peft_part part) {
  return std::string(peft_prefix) + module_name + std::string(peft_endings[static_cast<std::size_t>(part)]);
}

/// The inverse of peft_name, or nothing if it is the name of something else.
inline std::optional<std::pair<std::string, peft_part>> parse_peft_name(std::string_view name) {
  if (!name.starts_with(peft_prefix)) return std::nullopt;
  name.remove_prefix(peft_prefix.size());
  for (std::size_t i = 0; i < std::size(peft_endings); ++i)
    if (name.ends_with(peft_endings[i]) && name.size() > peft_endings[i].size())
      return std::pair(std::string(name.substr(0, name.size() - peft_endings[i].size())), static_cast<peft_part>(i));
  return std::nullopt;
}

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

/// Refuses settings that would change the formula above. fan_in_fan_out is about how the model stores its weights.
inline void check_plain_lora(const fields& config) {
  if (config.string("peft_type") != "LORA") config.refuse("peft_type", "LORA");
  if (config.string("bias", "none") != "none") config.refuse("bias", "none");
  for (const char* name : {"use_dora", "use_qalora", "lora_bias"})
    if (config.boolean(name, false)) config.refuse(name, "false");
  for (const char* name :
       {"modules_to_save", "layer_replication", "target_parameters", "trainable_token_indices",
        "alora_invocation_tokens", "velora_config", "monteclora_config", "use_bdlora", "arrow_config", "kasa_config"})
    if (const json* value = config.find(name); value != nullptr && !(value->is_structured() && value->empty()))
      if (*value != false) config.refuse(name, "left out or empty");
  // Other values, such as pissa, change the model's own weights too.
  if (const json* start = config.find("init_lora_weights"); start != nullptr && !start->is_boolean())
    if (*start != "gaussian" && *start != "orthogonal" && *start != "eva")
      config.refuse("init_lora_weights", "true, false, gaussian, orthogonal or eva");
}

/// rank_pattern or alpha_pattern: the first key that matches a module's name has its value.
class peft_patterns {
 public:
  peft_patterns(const memory_map& text_of_file, const fields& config, const std::string& path, const std::string& name,
                bool whole) {
    const json* object = config.find(name);
    if (object == nullptr) return;
    if (!object->is_object()) config.refuse(name, "an object of numbers");
    const std::string where = path + ": " + name;
    const fields values(*object, where);
    // The object is ordered by name, and the first match is by the order in the file.
    const auto bytes = text_of_file.bytes();
    std::string field;
    const auto each = [&](int depth, json::parse_event_t event, json& parsed) {
      if (event != json::parse_event_t::key) return true;
      const std::string key = parsed.get<std::string>();
      if (depth == 1) field = key;
      if (depth == 2 && field == name && values.find(key) != nullptr)
        patterns_.push_back({name_pattern(key, where + ": '" + printable(key) + "'"),
                             whole ? static_cast<double>(values.whole(key, 1, largest_extent)) : values.positive(key)});
      return true;
    };
    const auto* const characters = reinterpret_cast<const char*>(bytes.data());
    [[maybe_unused]] const json same = json::parse(characters, characters + bytes.size(), each);
  }

  std::optional<double> find(const std::string& module_name) const {
    for (const auto& [pattern, value] : patterns_)
      if (pattern.matches(module_name)) return value;
    return std::nullopt;
  }

 private:
  std::vector<std::pair<name_pattern, double>> patterns_;
};

/// A number as JSON, without a fraction if it has none.
inline json json_number(double value) {
  return value == std::floor(value) && std::abs(value) < 1e15 ? json(static_cast<std::int64_t>(value)) : json(value);
}

}  // namespace detail

/// Writes both files, each whole or not at all, and makes the folder if it does not exist. `alpha` is that of tensors
/// without one of their own. `base_model` is the path or name by which Python finds the model, and `task` is peft's
/// name of what it is used for. Throws, naming the folder and the linear, if there is no linear, two have the same
/// name, a rank is 0, the length of a span does not match its shape, or a number is not finite.
inline void write_peft(const std::string& folder, std::span<const low_rank_tensor> tensors, double alpha,
                       const std::string& base_model, const std::string& task = "CAUSAL_LM") {
  check_low_rank(folder, tensors, alpha);
  if (!is_utf8(base_model)) fail(folder + ": the name of the model, '" + printable(base_model) + "', is not UTF-8");
  const std::size_t rank = tensors[0].rank;
  std::vector<named_tensor> named;
  std::vector<std::vector<float>> turned;
  json ranks = json::object(), alphas = json::object();
  for (const auto& t : tensors) {
    const auto add = [&](detail::peft_part part, std::size_t rows, std::size_t columns, std::span<const float> values) {
      named.push_back({detail::peft_name(t.name, part), {rows, columns}, values});
    };
    if (t.embedding) {
      add(detail::peft_part::embedding_a, t.rank, t.out, turned.emplace_back(transposed(t.b, t.out, t.rank)));
      add(detail::peft_part::embedding_b, t.in, t.rank, turned.emplace_back(transposed(t.a, t.rank, t.in)));
    } else {
      add(detail::peft_part::a, t.rank, t.in, t.a);
      add(detail::peft_part::b, t.out, t.rank, t.b);
    }
    if (t.rank != rank) ranks[t.name] = t.rank;
    if (t.alpha != 0 && t.alpha != alpha) alphas[t.name] = detail::json_number(t.alpha);
  }

  json config = {{"peft_type", "LORA"},
                 {"task_type", task},
                 {"base_model_name_or_path", base_model},
                 {"r", rank},
                 {"lora_alpha", detail::json_number(alpha)},
                 {"target_modules", detail::target_modules(tensors)},
                 {"lora_dropout", 0.0},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"inference_mode", true},
                 {"init_lora_weights", true},
                 {"modules_to_save", nullptr},
                 {"use_rslora", false},
                 {"use_dora", false}};
  if (!ranks.empty()) config["rank_pattern"] = ranks;
  if (!alphas.empty()) config["alpha_pattern"] = alphas;

  make_folder(folder);
  const std::string config_path = folder + "/adapter_config.json", weights_path = folder + "/adapter_model.safetensors";
  output_file weights_file(weights_path), config_file(config_path);
  write_safetensors(weights_file, weights_path, named, {{"format", "pt"}});
  config_file.write(config.dump(2) + "\n");
  weights_file.finish();
  config_file.finish();
  weights_file.commit();
  config_file.commit();
}

/// Reads an adapter. Throws, naming the file and the field or tensor, if a matrix lacks its other half, a shape does
/// not match the rank, a number is not finite, or the adapter is not plain LoRA.
inline peft_adapter read_peft(const std::string& folder) {
  const std::string config_path = folder + "/adapter_config.json";
  const memory_map config_file(config_path);
  const auto config_bytes = config_file.bytes();
  const json root = parse_json({reinterpret_cast<const char*>(config_bytes.data()), config_bytes.size()}, config_path);
  const fields config(root, config_path);
  detail::check_plain_lora(config);
  peft_adapter result;
  result.rank = config.whole("r", 1, largest_extent);
  result.alpha = config.positive("lora_alpha");
  result.rslora = config.boolean("use_rslora", false);
  result.base_model = config.string("base_model_name_or_path", "");
  const detail::peft_patterns ranks(config_file, config, config_path, "rank_pattern", true),
      alphas(config_file, config, config_path, "alpha_pattern", false);

  safetensors file(folder + "/adapter_model.safetensors");
  const auto matrix = [&](const std::string& name, std::size_t rank, std::size_t rank_at, std::vector<float>& out) {
    const std::string where = file.path() + ": " + printable(name);
    const auto found = file.find(name);
    if (!found) fail(where + " is missing, and its other half is there");
    if (found->shape.size() != 2 || found->shape[rank_at] != rank)
      fail(where + " has shape " + text_of(found->shape) + ", and must have 2 extents, the " +
           (rank_at == 0 ? "first " : "second ") + text(rank) + ", its rank by " + config_path);
    require_widened(found->type, where);
    out.resize(found->size());
    widen(*found, out);
    if (const auto i = first_not_finite(out))
      fail(where + " is " + text(out[*i]) + " at element " + text(*i) + ", and must be finite");
    return found->shape[1 - rank_at];
  };
  for (const auto& [name, view] : file.tensors()) {
    const auto parsed = detail::parse_peft_name(name);
    if (!parsed)
      fail(file.path() + ": holds " + printable(name) +
           ", which is neither lora_A.weight nor lora_B.weight of a linear");
    using part = detail::peft_part;
    const auto& module_name = parsed->first;
    const bool embedding = parsed->second == part::embedding_a || parsed->second == part::embedding_b;
    const std::string first = detail::peft_name(module_name, embedding ? part::embedding_a : part::a),
                      second = detail::peft_name(module_name, embedding ? part::embedding_b : part::b);
    if (parsed->second == part::base) {
      result.base_weights.emplace(module_name, view);
      continue;
    }
    if (name == second) {
      if (!file.find(first)) fail(file.path() + ": " + printable(first) + " is missing, and its other half is there");
      continue;
    }
    peft_tensor& t = result.tensors.emplace_back();
    t.name = module_name;
    t.embedding = embedding;
    t.rank = static_cast<std::size_t>(ranks.find(t.name).value_or(static_cast<double>(result.rank)));
    const double r = static_cast<double>(t.rank), alpha = alphas.find(t.name).value_or(result.alpha);
    t.scale = alpha / (result.rslora ? std::sqrt(r) : r);
    t.alpha = result.rslora ? alpha * std::sqrt(r) : alpha;
    if (!(t.alpha < 1e30)) fail(config_path + ": alpha is " + text(alpha) + ", and must be below 1e30");
    if (!t.embedding) {
      t.in = matrix(first, t.rank, 0, t.a);
      t.out = matrix(second, t.rank, 1, t.b);
    } else {
      t.out = matrix(first, t.rank, 0, t.b);
      t.in = matrix(second, t.rank, 1, t.a);
      t.b = transposed(t.b, t.rank, t.out);
      t.a = transposed(t.a, t.in, t.rank);
    }
  }
  if (result.tensors.empty()) fail(file.path() + ": holds no tensors");
  std::ranges::sort(result.tensors, {}, &peft_tensor::name);
  const auto twice = std::ranges::adjacent_find(result.tensors, {}, &peft_tensor::name);
  if (twice != result.tensors.end())
    fail(file.path() + ": adapts " + printable(twice->name) + " as a linear and as an embedding");
  result.file = std::make_shared<const memory_map>(std::move(file).release());
  return result;
}

/// Throws if the adapter has a linear that the model does not have, or has in another shape, or if it brings weights of
/// the model's own that are not the model's. They may have been rounded to 16 bits.
inline void check_fits(const peft_adapter& adapter, const checkpoint& model) {
  const auto& shape = model.shape();
  for (const auto& t : adapter.tensors) {
    const bool turned = shape.transposed && t.name.starts_with(shape.names.block);
    model.at(t.name + ".weight", turned ? std::vector{t.in, t.out} : std::vector{t.out, t.in});
  }
  for (const auto& [name, ours] : adapter.base_weights) {
    const std::string where = model.path + ": " + printable(name) + ".weight";
    const tensor_view theirs = model.at(name + ".weight", ours.shape);
    require_widened(ours.type, "the adapter's " + printable(name));
    require_widened(theirs.type, where);
    std::vector<float> a(ours.columns()), b(ours.columns());
    for (std::size_t row = 0; row < ours.rows(); ++row) {
      widen(ours, row, 1, a);
      widen(theirs, row, 1, b);
      for (std::size_t i = 0; i < a.size(); ++i)
        if (!(std::abs(a[i] - b[i]) <= 0x1p-8f * std::abs(b[i]) + 0x1p-24f))
          fail(where + " is " + text(b[i]) + " in row " + text(row) + ", and was " + text(a[i]) +
               " in the model that the adapter was trained on");
    }
  }
}

}  // namespace zoft::inline ZOFT_ISA::io
