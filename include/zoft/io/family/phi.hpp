/// Phi-1, 1.5 and 2 (Li et al. 2023, arXiv:2309.05463): attention and MLP side by side, LayerNorm, biases everywhere.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_phi(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.free_head_dim = false});
  read_rotary(f, c, {.share = 0.5});
  c.norm = nn::norm_kind::layer;
  c.norm_epsilon = f.positive("layer_norm_eps", 1e-5);
  c.act = f.activation("hidden_act", "gelu_new");
  c.tied_head = f.boolean("tie_word_embeddings", false);
  c.parallel = true;
  c.bias = {.query_key_value = true, .attention_output = true, .mlp = true, .head = true};
  c.names.output = "self_attn.dense";
  c.names.gate = "";
  c.names.up = "mlp.fc1";
  c.names.down = "mlp.fc2";
  c.names.final_norm = "model.final_layernorm";
  // Both halves read the same rows of one norm.
  c.names.mlp_norm = "";
  c.shared_norm = true;
  if (f.boolean("qk_layernorm", false)) {
    c.query_key_norm = nn::head_norm::each;
    c.names.query_norm = "self_attn.q_layernorm";
    c.names.key_norm = "self_attn.k_layernorm";
  }
}

}  // namespace zoft::inline ZOFT_ISA::io
