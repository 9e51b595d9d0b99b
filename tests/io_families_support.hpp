// Config.json of small models of each family.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <zoft/io/family/families.hpp>

#include "io_support.hpp"

namespace io_test {

using zoft::io::json;

inline const std::string config_file = "config.json";

/// As if the fields were in a file, where whole numbers have no sign.
inline zoft::nn::config read_fields(const json& fields) {
  const json parsed = json::parse(fields.dump());
  return zoft::io::read_model_config(parsed, config_file);
}

/// A small config.json of that family with these fields set, or removed where they are discarded.
inline json family_fields(const std::string& family, const json& changes = json::object()) {
  json result = {{"model_type", family},     {"hidden_size", 32},
                 {"intermediate_size", 48},  {"num_hidden_layers", 6},
                 {"num_attention_heads", 4}, {"num_key_value_heads", 2},
                 {"vocab_size", 50},         {"max_position_embeddings", 64}};
  const std::set<std::string> ungrouped{"gpt2",    "gpt_neox",   "opt",         "bert",
                                        "roberta", "distilbert", "xlm-roberta", "camembert"};
  if (ungrouped.contains(family)) result["num_key_value_heads"] = 4;
  if (family == "opt") result["ffn_dim"] = 48;
  if (family == "distilbert") result["hidden_dim"] = 48;
  for (const auto& [name, value] : changes.items()) {
    result.erase(name);
    if (value != "absent") result[name] = value;
  }
  return result;
}
inline zoft::nn::config family_shape(const std::string& family, const json& changes = json::object()) {
  return read_fields(family_fields(family, changes));
}

inline void check_family_refused(const std::string& family, const json& changes,
                                 std::initializer_list<std::string> parts) {
  INFO(family << " " << changes.dump());
  check_refused([&] { family_shape(family, changes); }, parts);
}

}  // namespace io_test
