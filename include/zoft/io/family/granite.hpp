/// Granite 3 (Granite Team 2024): Llama with four multipliers.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_granite(const config_fields& f, nn::config& c) {
  read_shape(f, c);
  read_rotary(f, c);
  read_llama_block(f, c);
  c.bias.query_key_value = c.bias.attention_output = f.boolean("attention_bias", false);
  c.bias.mlp = f.boolean("mlp_bias", false);
  c.embedding_scale = f.positive("embedding_multiplier", 1.0);
  c.attention_scale = f.positive("attention_multiplier", 1.0);
  c.residual_scale = f.positive("residual_multiplier", 1.0);
  c.logit_scale = 1 / f.positive("logits_scaling", 1.0);
}

}  // namespace zoft::inline ZOFT_ISA::io
