/// DistilBERT (Sanh et al. 2019, arXiv:1910.01108): half of BERT's blocks, without token types or a pooler.
#pragma once

#include "bert.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_distilbert(const config_fields& f, nn::config& c) {
  const auto either = [&](const char* name, const char* other) { return f.has(name) ? name : other; };
  read_shape(f, c,
             {.dim = either("dim", "hidden_size"),
              .hidden = "hidden_dim",
              .layers = either("n_layers", "num_hidden_layers"),
              .heads = either("n_heads", "num_attention_heads")},
             {.free_head_dim = false, .grouped = false});
  read_encoder_block(f, c);
  c.norm_epsilon = 1e-12;
  c.act = f.activation("activation", "gelu");
  f.ignore({"sinusoidal_pos_embds"});
  c.names.embedding = "distilbert.embeddings.word_embeddings";
  c.names.positions = "distilbert.embeddings.position_embeddings";
  c.names.embedding_norm = "distilbert.embeddings.LayerNorm";
  c.names.block = "distilbert.transformer.layer.";
  c.names.attention = "attention";
  c.names.query = "attention.q_lin";
  c.names.key = "attention.k_lin";
  c.names.value = "attention.v_lin";
  c.names.output = "attention.out_lin";
  c.names.attention_stream_norm = "sa_layer_norm";
  c.names.up = "ffn.lin1";
  c.names.down = "ffn.lin2";
  c.names.mlp_stream_norm = "output_layer_norm";
  c.names.head_dense = "vocab_transform";
  c.names.head_norm = "vocab_layer_norm";
  c.names.head = "vocab_projector";
}

}  // namespace zoft::inline ZOFT_ISA::io
