/// GPT-NeoX and Pythia (Black et al. 2022, arXiv:2204.06745): attention and MLP side by side, each with a LayerNorm of
/// its own. The rows of q, k and v are ordered by head.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_gpt_neox(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.free_head_dim = false, .grouped = false});
  read_rotary(f, c, {.share = 0.25, .base_name = "rotary_emb_base", .share_name = "rotary_pct"});
  c.norm = nn::norm_kind::layer;
  c.norm_epsilon = f.positive("layer_norm_eps", 1e-5);
  c.act = f.activation("hidden_act", "gelu");
  c.tied_head = f.boolean("tie_word_embeddings", false);
  c.parallel = f.boolean("use_parallel_residual", true);
  const bool attention = f.boolean("attention_bias", true);
  c.bias = {.query_key_value = attention, .attention_output = attention, .mlp = true, .head = false};
  c.fused = nn::fused_rows::by_head;
  c.names.embedding = "gpt_neox.embed_in";
  c.names.block = "gpt_neox.layers.";
  c.names.attention = "attention";
  c.names.query_key_value = "attention.query_key_value";
  c.names.output = "attention.dense";
  c.names.gate = "";
  c.names.up = "mlp.dense_h_to_4h";
  c.names.down = "mlp.dense_4h_to_h";
  c.names.final_norm = "gpt_neox.final_layer_norm";
  c.names.head = "embed_out";
}

}  // namespace zoft::inline ZOFT_ISA::io
