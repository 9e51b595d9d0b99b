/// StableLM (Bellagente et al. 2024, arXiv:2402.17834): Llama with LayerNorm, and a part of each head rotated.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_stablelm(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 32, .free_head_dim = false});
  read_rotary(f, c, {.share = 0.25});
  c.norm = nn::norm_kind::layer;
  c.norm_epsilon = f.positive("layer_norm_eps", f.positive("norm_eps", 1e-5));
  c.act = f.activation("hidden_act", "silu");
  c.tied_head = f.boolean("tie_word_embeddings", false);
  c.bias.query_key_value = f.boolean("use_qkv_bias", false);
  if (f.boolean("qk_layernorm", false)) {
    c.query_key_norm = nn::head_norm::own;
    c.names.query_norm = "self_attn.q_layernorm";
    c.names.key_norm = "self_attn.k_layernorm";
  }
  c.parallel = c.shared_norm = f.boolean("use_parallel_residual", false);
  if (c.parallel) c.names.mlp_norm = "";
}

}  // namespace zoft::inline ZOFT_ISA::io
