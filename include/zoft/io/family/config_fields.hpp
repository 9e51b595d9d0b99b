/// The fields of a config.json. It remembers which ones a family has read, because a field that nobody has read may
/// change what the model computes.
#pragma once

#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/model_config.hpp"
#include "../file/json.hpp"
#include "../file/printable.hpp"
#include "../file/weights.hpp"

namespace zoft::inline ZOFT_ISA::io {

class config_fields {
 public:
  /// The object must outlive this.
  config_fields(const json& object, std::string where) : object_(object), where_(where), fields_(object, where) {}

  const std::string& where() const { return where_; }
  const json& object() const { return object_; }

  const json* find(const std::string& name) const {
    read_.insert(name);
    return fields_.find(name);
  }
  bool has(const std::string& name) const { return find(name) != nullptr; }
  bool was_read(const std::string& name) const { return read_.contains(name); }
  /// Whether the field is there and null, which some families tell from a field that is left out.
  bool is_null(const std::string& name) const {
    read_.insert(name);
    return object_.contains(name) && object_.at(name).is_null();
  }

  [[noreturn]] void refuse(const std::string& name, const std::string& wanted) const { fields_.refuse(name, wanted); }

  std::size_t extent(const std::string& name, std::optional<std::size_t> absent = std::nullopt) const {
    return whole(name, 1, absent);
  }
  std::size_t whole(const std::string& name, std::size_t least, std::optional<std::size_t> absent = std::nullopt,
                    std::size_t most = largest_extent) const {
    read_.insert(name);
    return fields_.whole(name, least, most, absent);
  }
  double positive(const std::string& name, std::optional<double> absent = std::nullopt) const {
    read_.insert(name);
    return fields_.positive(name, absent);
  }
  bool boolean(const std::string& name, bool absent) const {
    read_.insert(name);
    return fields_.boolean(name, absent);
  }
  std::string string(const std::string& name, std::optional<std::string> absent = std::nullopt) const {
    read_.insert(name);
    return fields_.string(name, absent);
  }
  /// A list of numbers above 0, of that length.
  std::vector<double> numbers(const std::string& name, std::size_t size) const {
    const json* value = find(name);
    if (value == nullptr || !value->is_array() || value->size() != size)
      refuse(name, "a list of " + text(size) + " numbers");
    std::vector<double> result;
    for (const json& number : *value) {
      result.push_back(number.is_number() ? number.get<double>() : 0.0);
      if (!(result.back() > 0) || !std::isfinite(result.back()))
        fail(where_ + ": " + name + " holds " + shown(number) + ", and may hold numbers above 0 only");
    }
    return result;
  }

  /// Throws unless the field is absent or has that value.
  void only(const std::string& name, bool value) const {
    if (boolean(name, value) != value) refuse(name, value ? "true" : "false");
  }
  void only(const std::string& name, double value) const {
    const json* found = find(name);
    if (found != nullptr && !(found->is_number() && found->get<double>() == value)) refuse(name, text(value));
  }
  void only(const std::string& name, const char* value) const {
    if (string(name, value) != value) refuse(name, value);
  }
  /// Marks fields that change nothing here.
  void ignore(std::initializer_list<const char*> names) const { read_.insert(names.begin(), names.end()); }

  nn::activation activation(const std::string& name, const char* absent) const {
    using nn::activation;
    static constexpr std::pair<std::string_view, nn::activation> known[] = {
        {"silu", activation::silu},
        {"swish", activation::silu},
        {"gelu", activation::gelu},
        {"gelu_python", activation::gelu},
        {"gelu_new", activation::gelu_tanh},
        {"gelu_pytorch_tanh", activation::gelu_tanh},
        {"gelu_fast", activation::gelu_tanh},
        {"gelu_accurate", activation::gelu_tanh},
        {"gelu_python_tanh", activation::gelu_tanh},
        {"relu", activation::relu}};
    const std::string given = string(name, absent);
    for (const auto& [word, result] : known)
      if (given == word) return result;
    refuse(name, "silu, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast or relu");
  }

  /// Throws if a field was not read whose name says that it changes what the model computes, unless its value says that
  /// it does not.
  void check_all_read() const {
    static constexpr std::string_view words[] = {"rope",
                                                 "rotary",
                                                 "sliding",
                                                 "window",
                                                 "attention_pattern",
                                                 "position_embedding_type",
                                                 "softcap",
                                                 "clamp",
                                                 "clip",
                                                 "multiplier",
                                                 "scal",
                                                 "temperature_tuning",
                                                 "expert",
                                                 "moe",
                                                 "residual",
                                                 "parallel_",
                                                 "alibi",
                                                 "bidirectional",
                                                 "layernorm",
                                                 "qk_norm",
                                                 "norm_type",
                                                 "mlp_type",
                                                 "bias",
                                                 "output_gate",
                                                 "pruned",
                                                 "sink",
                                                 "cross_attention",
                                                 "vision",
                                                 "quantization"};
    for (const auto& [name, value] : object_.get_ref<const json::object_t&>()) {
      if (read_.contains(name) || name.find("drop") != std::string::npos || is_neutral(name, value)) continue;
      for (const std::string_view word : words)
        if (name.find(word) != std::string::npos)
          fail(where_ + ": " + printable(name) + " is " + shown(value) +
               ", and is not a field of this family that is known here; it may change what the model computes");
    }
  }

 private:
  /// Whether nothing is done: null, false, an empty list, a factor of 1, no experts.
  static bool is_neutral(const std::string& name, const json& value) {
    const auto names = [&](std::string_view word) { return name.find(word) != std::string::npos; };
    if (value.is_number())
      return (value == 1 && (names("multiplier") || names("scal"))) ||
             (value == 0 && (names("expert") || names("moe")));
    return value.is_null() || value == false || (value.is_structured() && value.empty());
  }

  const json& object_;
  std::string where_;
  fields fields_;
  mutable std::set<std::string> read_;
};

}  // namespace zoft::inline ZOFT_ISA::io
