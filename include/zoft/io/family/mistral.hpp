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
  set_window_everywhere(f, c, window_or(f, 4096));
}

}  // namespace zoft::inline ZOFT_ISA::io
