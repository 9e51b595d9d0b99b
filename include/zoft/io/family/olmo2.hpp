/// OLMo 2 (OLMo Team 2024, arXiv:2501.00656): norms of what attention and MLP add, and of all of q and k, none before.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_olmo2(const config_fields& f, nn::config& c) {
  read_shape(f, c);
  read_rotary(f, c);
  read_llama_block(f, c, 1e-5);
  c.bias.query_key_value = c.bias.attention_output = f.boolean("attention_bias", false);
  c.query_key_norm = nn::head_norm::whole;
  c.names.query_norm = "self_attn.q_norm";
  c.names.key_norm = "self_attn.k_norm";
  c.names.attention_norm = c.names.mlp_norm = "";
  c.names.attention_added_norm = "post_attention_layernorm";
  c.names.mlp_added_norm = "post_feedforward_layernorm";
}

}  // namespace zoft::inline ZOFT_ISA::io
