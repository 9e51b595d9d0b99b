/// StarCoder 2 (Lozhkov et al. 2024, arXiv:2402.19173): Llama with LayerNorm, a plain MLP and biases.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_starcoder2(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 2});
  read_rotary(f, c);
  c.norm = nn::norm_kind::layer;
  c.norm_epsilon = f.positive("norm_epsilon", 1e-5);
  c.act = f.activation("hidden_act", "gelu_pytorch_tanh");
  c.tied_head = f.boolean("tie_word_embeddings", true);
  f.only("norm_type", "layer_norm");
  f.only("mlp_type", "default");
  f.only("scale_attn_weights", true);
  const bool biased = f.boolean("use_bias", true);
  c.bias = {.query_key_value = biased, .attention_output = biased, .mlp = biased, .head = false};
  set_window_everywhere(f, c, window_or(f, 0));
  c.names.gate = "";
  c.names.up = "mlp.c_fc";
  c.names.down = "mlp.c_proj";
}

}  // namespace zoft::inline ZOFT_ISA::io
