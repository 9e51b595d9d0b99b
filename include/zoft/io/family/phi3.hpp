/// Phi-3, 3.5 and 4-mini (Abdin et al. 2024, arXiv:2404.14219): Llama with q, k and v, and gate and up, in one matrix
/// each.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_phi3(const config_fields& f, nn::config& c) {
  read_shape(f, c);
  read_rotary(f, c, {.share = 1.0, .original = 4096, .longrope_only = true});
  read_llama_block(f, c, 1e-5);
  f.only("full_attn_mod", 1.0);
  f.only("interpolate_factor", 1.0);
  set_window_everywhere(f, c, window_or(f, 0));
  c.names.query_key_value = "self_attn.qkv_proj";
  c.names.gate_up = "mlp.gate_up_proj";
}

}  // namespace zoft::inline ZOFT_ISA::io
