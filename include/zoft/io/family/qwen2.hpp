/// Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671): Llama with biases of q, k and v, and windows if asked for.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// Windows as Qwen has them: in blocks from max_window_layers on, if use_sliding_window says so.
inline void read_qwen_windows(const config_fields& f, nn::config& c) {
  const bool slides = f.boolean("use_sliding_window", false);
  const std::size_t window = window_or(f, 4096), first = f.whole("max_window_layers", 0, 28);
  set_windows(f, c, sliding_blocks(f, c, [&](std::size_t i) { return slides && window > 0 && i >= first; }),
              slides ? window : 0);
}

inline void read_qwen2(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 32});
  read_rotary(f, c);
  read_llama_block(f, c);
  read_qwen_windows(f, c);
  c.bias.query_key_value = true;
  f.only("use_mrope", false);
}

}  // namespace zoft::inline ZOFT_ISA::io
