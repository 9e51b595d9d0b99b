/// OPT (Zhang et al. 2022, arXiv:2205.01068): learned positions from row 2 on, LayerNorm before or after, a plain MLP.
#pragma once

#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_opt(const config_fields& f, nn::config& c) {
  read_shape(f, c, {.hidden = "ffn_dim"}, {.free_head_dim = false, .grouped = false});
  if (const std::size_t width = f.extent("word_embed_proj_dim", c.dim); width != c.dim) {
    c.embedding_dim = width;
    c.names.project_in = "model.decoder.project_in";
    c.names.project_out = "model.decoder.project_out";
  }
  f.only("layer_norm_elementwise_affine", true);
  c.learned_positions = true;
  c.first_position = 2;
  c.norm = nn::norm_kind::layer;
  c.norm_epsilon = 1e-5;
  c.act = f.activation("activation_function", "relu");
  c.tied_head = f.boolean("tie_word_embeddings", true);
  const bool biased = f.boolean("enable_bias", true);
  c.bias = {.query_key_value = biased, .attention_output = biased, .mlp = biased, .head = false};
  c.names.embedding = "model.decoder.embed_tokens";
  c.names.positions = "model.decoder.embed_positions";
  c.names.block = "model.decoder.layers.";
  c.names.output = "self_attn.out_proj";
  c.names.gate = "";
  c.names.up = "fc1";
  c.names.down = "fc2";
  const bool before = f.boolean("do_layer_norm_before", true);
  (before ? c.names.attention_norm : c.names.attention_stream_norm) = "self_attn_layer_norm";
  (before ? c.names.mlp_norm : c.names.mlp_stream_norm) = "final_layer_norm";
  if (!before) c.names.attention_norm = c.names.mlp_norm = "";
  const bool removed = f.boolean("_remove_final_layer_norm", false);
  c.names.final_norm = before && !removed ? "model.decoder.final_layer_norm" : "";
}

}  // namespace zoft::inline ZOFT_ISA::io
