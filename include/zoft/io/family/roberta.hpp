/// RoBERTa (Liu et al. 2019, arXiv:1907.11692): BERT whose first position is behind that of the padding.
#pragma once

#include "bert.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_roberta(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.free_head_dim = false, .grouped = false});
  read_encoder_block(f, c);
  name_bert_block(c, "roberta.");
  c.first_position = f.whole("pad_token_id", 0, 1) + 1;
  if (c.context <= c.first_position)
    f.refuse("max_position_embeddings", "above " + text(c.first_position) + ", the row of the first position");
  c.context -= c.first_position;
  c.norm_epsilon = f.positive("layer_norm_eps", 1e-12);
  c.act = f.activation("hidden_act", "gelu");
  if (c.act != nn::activation::gelu) f.refuse("hidden_act", "gelu, as in the head of masked words");
  c.token_types = f.extent("type_vocab_size", 2);
  c.names.head_dense = "lm_head.dense";
  c.names.head_norm = "lm_head.layer_norm";
  c.names.head = "lm_head.decoder";
  c.names.head_bias = "lm_head.bias";
}

}  // namespace zoft::inline ZOFT_ISA::io
