/// SmolLM3 (Bakouch et al. 2025): Llama without rotary positions in every fourth block.
#pragma once

#include "rotary_fields.hpp"
#include "shape.hpp"

namespace zoft::inline ZOFT_ISA::io {

inline void read_smollm3(const config_fields& f, nn::config& c) {
  read_shape(f, c, {}, {.kv_heads = 4});
  read_rotary(f, c, {.base = 2e6});
  read_llama_block(f, c, 1e-6, true);
  c.bias.query_key_value = c.bias.attention_output = f.boolean("attention_bias", false);
  c.bias.mlp = f.boolean("mlp_bias", false);
  const json* rotated = f.find("no_rope_layers");  // 1 for each block that is rotated, and 0 for the others
  const std::size_t interval = f.extent("no_rope_layer_interval", 4);
  if (rotated != nullptr && (!rotated->is_array() || rotated->size() < c.layers))
    f.refuse("no_rope_layers", "a list of " + text(c.layers));
  c.pattern.resize(c.layers);
  for (std::size_t i = 0; i < c.layers; ++i) {
    c.pattern[i].rotary = rotated == nullptr ? (i + 1) % interval != 0 : (*rotated)[i] == 1;
    if (rotated != nullptr && (*rotated)[i] != 0 && (*rotated)[i] != 1)
      fail(f.where() + ": no_rope_layers holds " + shown((*rotated)[i]) + ", and may hold 0 and 1 only");
  }
  const std::size_t window = window_or(f, 0);
  const bool slides = f.boolean("use_sliding_window", false) && window > 0;
  set_windows(f, c, sliding_blocks(f, c, [&](std::size_t i) { return slides && !c.pattern[i].rotary; }), window);
}

}  // namespace zoft::inline ZOFT_ISA::io
