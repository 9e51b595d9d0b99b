/// Gemma 3 (Gemma Team 2025, arXiv:2503.19786): Gemma 2 with norms of each query and key head in place of capped
/// scores. Five blocks of six have a window and rotary angles of their own.
#pragma once

#include "gemma2.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// Some files also list the kinds of the first blocks, which repeat. Throws if that is another pattern.
inline void check_local_pattern(const config_fields& f, const std::vector<bool>& sliding) {
  const json* kinds = f.find("global_local_attention_pattern");
  if (kinds == nullptr) return;
  if (!kinds->is_array() || kinds->empty()) f.refuse("global_local_attention_pattern", "a list");
  for (std::size_t i = 0; i < sliding.size(); ++i)
    if ((*kinds)[i % kinds->size()] != (sliding[i] ? "SLIDING_LOCAL" : "GLOBAL"))
      fail(f.where() + ": global_local_attention_pattern holds " + shown((*kinds)[i % kinds->size()]) + " for block " +
           text(i) + ", which " + (sliding[i] ? "has" : "does not have") + " a window by the other fields");
}

inline void read_gemma3_text(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 4, .head_dim = 256});
  read_gemma2_block(f, c);
  c.query_key_norm = nn::head_norm::each;
  c.names.query_norm = "self_attn.q_norm";
  c.names.key_norm = "self_attn.k_norm";
  if (f.has("attn_logit_softcapping")) f.refuse("attn_logit_softcapping", "left out or null");
  c.logit_cap = read_cap(f, "final_logit_softcapping", 0);

  const json* parameters = f.find("rope_parameters");
  c.local_rope_base = f.positive("rope_local_base_freq", 10000.0);
  if (parameters != nullptr && parameters->is_object() && parameters->contains("full_attention")) {
    static const json nothing = json::object();
    const auto local = parameters->find("sliding_attention");
    const fields sliding(local == parameters->end() ? nothing : *local,
                         f.where() + ": rope_parameters: sliding_attention");
    c.local_rope_base = sliding.positive("rope_theta", c.local_rope_base);
    if (sliding.string("rope_type", "default") != "default") sliding.refuse("rope_type", "default");
    read_rotary(f, c, parameters->at("full_attention"), "rope_parameters: full_attention", {.base = 1e6});
  } else {
    read_rotary(f, c, {.base = 1e6});
  }

  const std::size_t every = f.extent("sliding_window_pattern", 6);
  f.ignore({"_sliding_window_pattern"});
  const std::vector<bool> sliding = sliding_blocks(f, c, [&](std::size_t i) { return (i + 1) % every != 0; });
  check_local_pattern(f, sliding);
  // Some files call the window sliding_window_attention_size.
  set_windows(f, c, sliding, window_or(f, f.extent("sliding_window_attention_size", 4096)));
  for (std::size_t i = 0; i < c.pattern.size(); ++i) c.pattern[i].local = sliding[i];
}

}  // namespace zoft::inline ZOFT_ISA::io
