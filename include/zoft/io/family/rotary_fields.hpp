/// The rotary angles that a config.json asks for: their base, and the scalings for contexts that are longer than those
/// that a model was first trained on. Version 5 of transformers writes rope_parameters, version 4 writes rope_theta and
/// rope_scaling.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <numbers>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config_fields.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

/// base^(2i/dims)/2π is the wavelength of angle i, in tokens.
inline double wavelength(double base, std::size_t i, std::size_t dims) {
  return 2 * std::numbers::pi * std::pow(base, 2.0 * static_cast<double>(i) / static_cast<double>(dims));
}

/// Llama 3.1 (Grattafiori et al. 2024, arXiv:2407.21783): long waves are slowed by `factor`, short ones are not, and
/// those between in part.
inline std::vector<double> llama3_divisors(const fields& f, double base, std::size_t dims, double original) {
  const double factor = f.positive("factor"), low = f.positive("low_freq_factor"),
               high = f.positive("high_freq_factor");
  if (!(low < high)) f.refuse("low_freq_factor", "below high_freq_factor, which is " + text(high));
  std::vector<double> result;
  for (std::size_t i = 0; i < dims / 2; ++i) {
    const double turns = original / wavelength(base, i, dims);
    const double kept = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    result.push_back(1 / ((1 - kept) / factor + kept));
  }
  return result;
}

/// YaRN (Peng et al. 2023, arXiv:2309.00071): between the angles that turn beta_fast and beta_slow times in the
/// original context, a ramp leads from none to all of the factor. cos and sin are multiplied by the attention factor.
inline nn::rope_scaling yarn(const fields& f, double base, std::size_t dims, double context, double original) {
  const double factor = f.positive("factor", context / original);
  const double fast = f.positive("beta_fast", 32.0), slow = f.positive("beta_slow", 1.0);
  const auto magnitude = [&](double m) { return factor <= 1 ? 1.0 : 0.1 * m * std::log(factor) + 1.0; };
  nn::rope_scaling result;
  const auto says = [&](const char* name) { return f.find(name) != nullptr && *f.find(name) != 0; };
  const bool both = says("mscale") && says("mscale_all_dim");
  result.amplitude =
      f.positive("attention_factor",
                 both ? magnitude(f.positive("mscale")) / magnitude(f.positive("mscale_all_dim")) : magnitude(1));
  const double n = static_cast<double>(dims);
  const auto index = [&](double turns) {
    return n * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(base));
  };
  double low = index(fast), high = index(slow);
  if (f.boolean("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, n - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < dims / 2; ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    result.divisors.push_back(1 / (slowed / factor + 1 - slowed));
  }
  return result;
}

/// LongRoPE (Ding et al. 2024, arXiv:2402.13753): a divisor for each angle, with a second list for long sequences.
inline nn::rope_scaling longrope(const fields& f, const config_fields& lists, std::size_t dims, double context,
                                 double original) {
  nn::rope_scaling result;
  result.divisors = lists.numbers("short_factor", dims / 2);
  result.long_divisors = lists.numbers("long_factor", dims / 2);
  result.long_after = static_cast<std::size_t>(original);
  const double factor = f.positive("factor", context / original);
  result.amplitude =
      f.positive("attention_factor", factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original)));
  return result;
}

/// Throws if `found` holds a field that is not known here and may change the angles.
inline void check_rotary_fields(const fields& f, const json& found) {
  static constexpr std::string_view known[] = {
      "rope_type", "type",           "rope_theta",       "partial_rotary_factor",
      "factor",    "short_factor",   "long_factor",      "original_max_position_embeddings",
      "beta_fast", "beta_slow",      "low_freq_factor",  "high_freq_factor",
      "mscale",    "mscale_all_dim", "attention_factor", "truncate",
      "finetuned"};
  for (const auto& [key, value] : found.get_ref<const json::object_t&>()) {
    if (value.is_object() && !value.empty())
      f.refuse(key, "left out: all layers of this family have the same rotary angles");
    if (value.is_null() || value == false || value == 1 || std::ranges::find(known, key) != std::end(known)) continue;
    f.refuse(key, "left out: it is not known here, and may change the rotary angles");
  }
}

/// Throws if fields that are allowed one by one make angles that are no numbers.
inline void check_angles(const nn::config& c, const std::string& where) {
  const auto bad = [](double d) { return !(d > 0) || !std::isfinite(d); };
  if (bad(c.scaling.amplitude) || std::ranges::any_of(c.scaling.divisors, bad) ||
      std::ranges::any_of(c.scaling.long_divisors, bad))
    fail(where + ": its fields together make rotary angles that are not finite");
}

}  // namespace detail

/// What a family says where config.json does not.
struct rotary_defaults {
  double base = 10000;
  std::optional<double> share = std::nullopt;  ///< of a head's elements that are rotated; nullopt: always all
  const char* base_name = "rope_theta";
  const char* share_name = "partial_rotary_factor";
  std::optional<std::size_t> original = std::nullopt;  ///< the context that the model was first trained on
  bool longrope_only = false;                          ///< and "su" and "yarn" are its older names
};

/// Reads rotary_dims, rope_base and scaling into c, whose head_dim and context must be known, from `found`, which is
/// what rope_scaling or rope_parameters holds.
inline void read_rotary(const config_fields& f, nn::config& c, const json& found, const std::string& name,
                        const rotary_defaults& usual) {
  const std::string where = f.where() + ": " + name;
  const fields rope(found, where);
  const config_fields lists(found, where);
  detail::check_rotary_fields(rope, found);
  c.rope_base = rope.positive("rope_theta", f.positive(usual.base_name, usual.base));
  const double share = rope.positive("partial_rotary_factor", f.positive(usual.share_name, usual.share.value_or(1.0)));
  if (!usual.share && share != 1)
    (rope.find("partial_rotary_factor") != nullptr ? rope : fields(f.object(), f.where()))
        .refuse("partial_rotary_factor", "1");
  if (share > 1) fail(f.where() + ": " + text(share) + " of a head is rotated, and must be at most 1");
  c.rotary_dims = static_cast<std::size_t>(static_cast<double>(c.head_dim) * share);
  if (c.rotary_dims % 2 != 0 || c.rotary_dims == 0)
    fail(f.where() + ": " + text(c.rotary_dims) + " of the " + text(c.head_dim) +
         " elements of a head are rotated, and must be an even number from 2 on");

  const std::size_t inside = rope.whole("original_max_position_embeddings", 1, largest_extent, c.context);
  const auto original =
      static_cast<double>(f.extent("original_max_position_embeddings", usual.original.value_or(inside)));
  const auto context = static_cast<double>(c.context);
  const char* kind = rope.find("rope_type") != nullptr ? "rope_type" : "type";
  std::string type = rope.string(kind, "default");
  if (usual.longrope_only) {
    if (type == "su" || type == "yarn") type = "longrope";
    if (type != "default" && type != "longrope") rope.refuse(kind, "default or longrope");
  }
  if (type == "linear") {
    const double factor = rope.positive("factor");
    if (factor != 1) c.scaling.divisors.assign(c.rotary_dims / 2, factor);
  } else if (type == "llama3") {
    c.scaling.divisors = detail::llama3_divisors(rope, c.rope_base, c.rotary_dims, original);
  } else if (type == "yarn") {
    c.scaling = detail::yarn(rope, c.rope_base, c.rotary_dims, context, original);
  } else if (type == "longrope") {
    c.scaling = detail::longrope(rope, lists, c.rotary_dims, context, original);
  } else if (type != "default" && type != "dynamic") {  // the latter changes nothing within the context
    rope.refuse(kind, "default, linear, dynamic, llama3, yarn or longrope");
  }
  detail::check_angles(c, where);
}

/// The same from the field that config.json has: rope_scaling if it holds something, else rope_parameters.
inline void read_rotary(const config_fields& f, nn::config& c, const rotary_defaults& usual = {}) {
  static const json nothing = json::object();
  const json *older = f.find("rope_scaling"), *newer = f.find("rope_parameters");
  if (older != nullptr && !older->empty())
    read_rotary(f, c, *older, "rope_scaling", usual);
  else
    read_rotary(f, c, newer == nullptr ? nothing : *newer, "rope_parameters", usual);
}

}  // namespace zoft::inline ZOFT_ISA::io
