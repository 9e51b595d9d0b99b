/// Llama (Touvron et al. 2023, arXiv:2302.13971), and SmolLM 1 and 2, TinyLlama and others of its shape.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_llama(const config_fields& f, nn::config& c) {
  read_shape(f, c);
  read_rotary(f, c);
  read_llama_block(f, c);
  c.bias.query_key_value = c.bias.attention_output = f.boolean("attention_bias", false);
  c.bias.mlp = f.boolean("mlp_bias", false);
  f.only("use_sliding_window", false);
  f.ignore({"sliding_window"});  // which transformers does not look at
}

}  // namespace zoft::inline ZOFT_ISA::io
