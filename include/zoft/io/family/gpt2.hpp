/// GPT-2 (Radford et al. 2019): learned positions, LayerNorm, a plain MLP. Its files hold the blocks' linears as (in,
/// out).
#pragma once

#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_gpt2(const config_fields& f, nn::config& c) {
  const auto either = [&](const char* name, const char* other) { return f.has(name) ? name : other; };
  c.dim = f.extent(either("n_embd", "hidden_size"), 768);
  c.layers = f.whole(either("n_layer", "num_hidden_layers"), 1, 12, most_layers);
  c.heads = c.kv_heads = f.extent(either("n_head", "num_attention_heads"), 12);
  c.context = f.extent(either("n_positions", "max_position_embeddings"), 1024);
  c.vocabulary = f.extent("vocab_size", 50257);
  c.hidden = f.extent("n_inner", 4 * c.dim);
  if (c.dim % c.heads != 0)
    f.refuse(either("n_embd", "hidden_size"), "a multiple of the heads, which are " + text(c.heads));
  c.head_dim = c.dim / c.heads;
  f.only("head_dim", static_cast<double>(c.head_dim));
  f.only("num_key_value_heads", static_cast<double>(c.heads));
  c.learned_positions = true;
  c.norm = nn::norm_kind::layer;
  c.norm_epsilon = f.positive("layer_norm_epsilon", 1e-5);
  c.act = f.activation("activation_function", "gelu_new");
  c.tied_head = f.boolean("tie_word_embeddings", true);
  if (!f.boolean("scale_attn_weights", true)) c.attention_scale = 1;
  if (f.boolean("scale_attn_by_inverse_layer_idx", false)) {
    c.pattern.resize(c.layers);
    for (std::size_t i = 0; i < c.layers; ++i) c.pattern[i].score_scale = 1 / static_cast<double>(i + 1);
  }
  f.only("add_cross_attention", false);
  c.bias = {.query_key_value = true, .attention_output = true, .mlp = true, .head = false};
  c.transposed = true;
  c.names.embedding = "transformer.wte";
  c.names.positions = "transformer.wpe";
  c.names.block = "transformer.h.";
  c.names.attention = "attn";
  c.names.attention_norm = "ln_1";
  c.names.query_key_value = "attn.c_attn";
  c.names.output = "attn.c_proj";
  c.names.mlp_norm = "ln_2";
  c.names.gate = "";
  c.names.up = "mlp.c_fc";
  c.names.down = "mlp.c_proj";
  c.names.final_norm = "transformer.ln_f";
}

}  // namespace zoft::inline ZOFT_ISA::io
