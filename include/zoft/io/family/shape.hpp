/// The extents of a model, which most families name alike.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "config_fields.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The names of the fields that hold the extents.
struct shape_names {
  const char* dim = "hidden_size";
  const char* hidden = "intermediate_size";
  const char* layers = "num_hidden_layers";
  const char* heads = "num_attention_heads";
  const char* kv_heads = "num_key_value_heads";
  const char* context = "max_position_embeddings";
};

/// The most blocks that a model may claim, because memory for each is needed before its tensors are looked for.
inline constexpr std::size_t most_layers = std::size_t{1} << 16;

/// What a family says where config.json does not.
struct shape_defaults {
  std::optional<std::size_t> kv_heads = std::nullopt;  ///< nullopt: as many as there are query heads
  std::optional<std::size_t> head_dim = std::nullopt;  ///< nullopt: dim / heads
  bool free_head_dim = true;                           ///< whether head_dim may be another than dim / heads
  bool grouped = true;                                 ///< whether there may be fewer key heads than query heads
};

/// Reads the extents into c.
inline void read_shape(const config_fields& f, nn::config& c, const shape_names& n = {},
                       const shape_defaults& usual = {}) {
  c.dim = f.extent(n.dim);
  c.layers = f.whole(n.layers, 1, std::nullopt, most_layers);
  c.heads = f.extent(n.heads);
  c.hidden = f.extent(n.hidden);
  c.kv_heads = f.extent(n.kv_heads, f.is_null(n.kv_heads) ? c.heads : usual.kv_heads.value_or(c.heads));
  c.vocabulary = f.extent("vocab_size");
  c.context = f.extent(n.context);
  if ((!usual.free_head_dim || (!f.has("head_dim") && !usual.head_dim)) && c.dim % c.heads != 0)
    f.refuse(n.dim, "a multiple of " + std::string(n.heads) + ", which is " + text(c.heads) +
                        (usual.free_head_dim ? ", where there is no head_dim" : ""));
  c.head_dim = f.extent("head_dim", usual.head_dim.value_or(c.dim / c.heads));
  if (!usual.free_head_dim && c.head_dim != c.dim / c.heads) f.refuse("head_dim", text(c.dim / c.heads));
  if (!usual.grouped && c.kv_heads != c.heads) f.refuse(n.kv_heads, text(c.heads));
  if (c.heads % c.kv_heads != 0)
    f.refuse(n.kv_heads, "a divisor of " + std::string(n.heads) + ", which is " + text(c.heads));
}

/// Which blocks attend to a sliding window: those that layer_types calls so, and without that field those of `usual`.
template <class Usual>
std::vector<bool> sliding_blocks(const config_fields& f, const nn::config& c, Usual usual) {
  const json* kinds = f.find("layer_types");
  if (kinds != nullptr && (!kinds->is_array() || kinds->size() != c.layers))
    f.refuse("layer_types", "a list of " + text(c.layers));
  std::vector<bool> result;
  for (std::size_t i = 0; i < c.layers; ++i) {
    result.push_back(kinds == nullptr ? usual(i) : (*kinds)[i] == "sliding_attention");
    if (kinds != nullptr && !result.back() && (*kinds)[i] != "full_attention")
      fail(f.where() + ": layer_types holds " + shown((*kinds)[i]) +
           ", and may hold \"full_attention\" and \"sliding_attention\" only");
  }
  return result;
}

/// Gives those blocks their window. One as long as the context hides nothing. `window` is 0 if the model has none.
inline void set_windows(const config_fields& f, nn::config& c, const std::vector<bool>& sliding, std::size_t window) {
  for (std::size_t i = 0; i < c.layers; ++i) {
    if (!sliding[i]) continue;
    if (window == 0)
      fail(f.where() + ": block " + text(i) + " attends to a sliding window by layer_types, and there is no window");
    c.pattern.resize(c.layers);
    c.pattern[i].window = window < c.context ? window : 0;
  }
}

/// sliding_window, 0 where it is null, and `absent` where it is left out.
inline std::size_t window_or(const config_fields& f, std::size_t absent) {
  return f.is_null("sliding_window") || (absent == 0 && !f.has("sliding_window")) ? 0
                                                                                  : f.extent("sliding_window", absent);
}

/// The window of a family that has it in all blocks. transformers does not look at layer_types then, so the field must
/// not say otherwise.
inline void set_window_everywhere(const config_fields& f, nn::config& c, std::size_t window) {
  const bool slides = window > 0 && window < c.context;
  const std::vector<bool> said = sliding_blocks(f, c, [&](std::size_t) { return slides; });
  for (const bool slides_too : said)
    if (slides_too != slides && (window == 0 || slides))
      f.refuse("layer_types", slides ? "all \"sliding_attention\", as in sliding_window"
                                     : "all \"full_attention\", as there is no sliding_window");
  if (slides) set_windows(f, c, said, window);
}

/// The fields of Llama's blocks that most families share: rms_norm_eps, hidden_act and tie_word_embeddings.
inline void read_llama_block(const config_fields& f, nn::config& c, double epsilon = 1e-6, bool tied = false) {
  c.norm_epsilon = f.positive("rms_norm_eps", epsilon);
  c.act = f.activation("hidden_act", "silu");
  c.tied_head = f.boolean("tie_word_embeddings", tied);
}

}  // namespace zoft::inline ZOFT_ISA::io
