/// Qwen3 (Yang et al. 2025, arXiv:2505.09388): Qwen2 with norms of each query and key head, and biases only if asked
/// for.
#pragma once

#include "qwen2.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_qwen3(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 32, .head_dim = 128});
  read_rotary(f, c);
  read_llama_block(f, c);
  read_qwen_windows(f, c);
  c.query_key_norm = nn::head_norm::each;
  c.names.query_norm = "self_attn.q_norm";
  c.names.key_norm = "self_attn.k_norm";
  c.bias.query_key_value = c.bias.attention_output = f.boolean("attention_bias", false);
}

}  // namespace zoft::inline ZOFT_ISA::io
