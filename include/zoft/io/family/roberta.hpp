/// RoBERTa (Liu et al. 2019, arXiv:1907.11692): BERT whose first position is behind that of the padding.
#pragma once

#include "bert.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_roberta(const config_fields& f, nn::config& c) {
  read_bert_model(f, c, "roberta.");
  c.first_position = f.whole("pad_token_id", 0, 1) + 1;
  if (c.context <= c.first_position)
    f.refuse("max_position_embeddings", "above " + text(c.first_position) + ", the row of the first position");
  c.context -= c.first_position;
  if (c.act != nn::activation::gelu) f.refuse("hidden_act", "gelu, as in the head of masked words");
  c.names.head_dense = "lm_head.dense";
  c.names.head_norm = "lm_head.layer_norm";
  c.names.head = "lm_head.decoder";
  c.names.head_bias = "lm_head.bias";
}

}  // namespace zoft::inline ZOFT_ISA::io
