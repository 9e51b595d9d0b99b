/// Gemma 2 (Gemma Team 2024, arXiv:2408.00118): norms before and after, a window in every other block, capped scores
/// and logits.
#pragma once

#include "gemma.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// What Gemma 2 and 3 share.
inline void read_gemma2_block(const config_fields& f, nn::config& c) {
  read_gemma_block(f, c);
  c.bias.query_key_value = c.bias.attention_output = f.boolean("attention_bias", false);
  c.act = f.activation("hidden_activation", "gelu_pytorch_tanh");
  f.ignore({"hidden_act"});
  c.attention_scale = 1 / std::sqrt(f.positive("query_pre_attn_scalar", 256.0));
  c.names.attention_added_norm = "post_attention_layernorm";
  c.names.mlp_norm = "pre_feedforward_layernorm";
  c.names.mlp_added_norm = "post_feedforward_layernorm";
}

/// A cap, or 0 where the field is null.
inline double read_cap(const config_fields& f, const std::string& name, double absent) {
  return f.is_null(name) || (absent == 0 && !f.has(name)) ? 0 : f.positive(name, absent);
}

inline void read_gemma2(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 4, .head_dim = 256});
  read_rotary(f, c);
  read_gemma2_block(f, c);
  c.attention_cap = read_cap(f, "attn_logit_softcapping", 50);
  c.logit_cap = read_cap(f, "final_logit_softcapping", 30);
  set_windows(f, c, sliding_blocks(f, c, [](std::size_t i) { return i % 2 == 0; }), window_or(f, 4096));
}

}  // namespace zoft::inline ZOFT_ISA::io
