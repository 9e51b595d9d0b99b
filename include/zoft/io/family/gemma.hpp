/// Gemma (Gemma Team 2024, arXiv:2403.08295): Llama with GeGLU, gains stored as g − 1, and the embedding times √dim.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// What all Gemmas share.
inline void read_gemma_block(const config_fields& f, nn::config& c) {
  c.norm_epsilon = f.positive("rms_norm_eps", 1e-6);
  c.norm_offset = true;
  c.embedding_scale = std::sqrt(static_cast<double>(c.dim));
  c.tied_head = f.boolean("tie_word_embeddings", true);
  f.only("use_bidirectional_attention", false);
}

inline void read_gemma(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 16, .head_dim = 256});
  read_rotary(f, c);
  read_gemma_block(f, c);
  c.bias.query_key_value = c.bias.attention_output = f.boolean("attention_bias", false);
  c.act = f.activation("hidden_act", "gelu_pytorch_tanh");
  if (f.string("hidden_act", "") == "gelu") c.act = nn::activation::gelu_tanh;  // what the family means by gelu
  f.ignore({"hidden_activation"});
}

}  // namespace zoft::inline ZOFT_ISA::io
