/// Mistral (Jiang et al. 2023, arXiv:2310.06825): Llama with a window in all blocks, 4096 where config.json does not
/// say.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_mistral(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 8});
  read_rotary(f, c);
  read_llama_block(f, c);
  f.only("attention_bias", false);
  const std::size_t window = window_or(f, 4096);
  set_windows(f, c, sliding_blocks(f, c, [&](std::size_t) { return window > 0; }), window);
}

}  // namespace zoft::inline ZOFT_ISA::io
