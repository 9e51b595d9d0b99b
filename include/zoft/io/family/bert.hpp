/// BERT (Devlin et al. 2018, arXiv:1810.04805), and MiniLM, BGE, E5 and others of its shape.
#pragma once

#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// What the encoders share: LayerNorm of the stream, learned positions, biases everywhere, and a head of masked words.
inline void read_encoder_block(const config_fields& f, nn::config& c) {
  c.causal = false;
  c.learned_positions = true;
  c.norm = nn::norm_kind::layer;
  c.tied_head = true;
  f.only("tie_word_embeddings", true);
  f.only("is_decoder", false);
  f.only("add_cross_attention", false);
  f.only("position_embedding_type", "absolute");
  c.bias = {.query_key_value = true, .attention_output = true, .mlp = true, .head = true};
  c.names.attention_norm = c.names.mlp_norm = c.names.gate = c.names.final_norm = "";
}

/// The names of BERT's tensors, which RoBERTa's follow.
inline void name_bert_block(nn::config& c, const std::string& model) {
  c.names.embedding = model + "embeddings.word_embeddings";
  c.names.positions = model + "embeddings.position_embeddings";
  c.names.token_types = model + "embeddings.token_type_embeddings";
  c.names.embedding_norm = model + "embeddings.LayerNorm";
  c.names.block = model + "encoder.layer.";
  c.names.attention = "attention";
  c.names.query = "attention.self.query";
  c.names.key = "attention.self.key";
  c.names.value = "attention.self.value";
  c.names.output = "attention.output.dense";
  c.names.attention_stream_norm = "attention.output.LayerNorm";
  c.names.up = "intermediate.dense";
  c.names.down = "output.dense";
  c.names.mlp_stream_norm = "output.LayerNorm";
  c.names.pooler = model + "pooler.dense";
}

/// What BERT's config.json says, and RoBERTa's alike.
inline void read_bert_model(const config_fields& f, nn::config& c, const std::string& model) {
  read_shape(f, c, {}, {.free_head_dim = false, .grouped = false});
  read_encoder_block(f, c);
  name_bert_block(c, model);
  c.norm_epsilon = f.positive("layer_norm_eps", 1e-12);
  c.act = f.activation("hidden_act", "gelu");
  c.token_types = f.extent("type_vocab_size", 2);
}

inline void read_bert(const config_fields& f, nn::config& c) {
  read_bert_model(f, c, "bert.");
  c.names.head_dense = "cls.predictions.transform.dense";
  c.names.head_norm = "cls.predictions.transform.LayerNorm";
  c.names.head = "cls.predictions.decoder";
  c.names.head_bias = "cls.predictions.bias";
}

}  // namespace zoft::inline ZOFT_ISA::io
