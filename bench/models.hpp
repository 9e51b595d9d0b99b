// Models of known shapes with random weights: what a forward costs does not depend on what it knows.
#pragma once

#include <map>
#include <string>
#include <vector>
#include <zoft/io/weights.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/sampler/uniform.hpp>

namespace bench {

struct shape {
  const char* name;
  zoft::nn::config config;
};

/// llama2.c's stories15M, SmolLM-135M, and TinyLlama-1.1B.
inline const shape shapes[] = {{"15M",
                                {.dim = 288,
                                 .hidden = 768,
                                 .layers = 6,
                                 .heads = 6,
                                 .kv_heads = 6,
                                 .head_dim = 48,
                                 .vocabulary = 32000,
                                 .context = 256}},
                               {"135M",
                                {.dim = 576,
                                 .hidden = 1536,
                                 .layers = 30,
                                 .heads = 9,
                                 .kv_heads = 3,
                                 .head_dim = 64,
                                 .vocabulary = 49152,
                                 .context = 256}},
                               {"1.1B",
                                {.dim = 2048,
                                 .hidden = 5632,
                                 .layers = 22,
                                 .heads = 32,
                                 .kv_heads = 4,
                                 .head_dim = 64,
                                 .vocabulary = 32000,
                                 .context = 256,
                                 .tied_head = false}}};

inline zoft::nn::transformer random_model(const zoft::nn::config& c, const zoft::nn::load_options& o) {
  std::map<std::string, std::vector<float>> storage;
  zoft::io::checkpoint::tensor_map tensors;
  std::uint32_t index = 0;
  zoft::io::for_each_tensor(c, {}, [&](const std::string& name, const std::vector<std::size_t>& extents) {
    std::vector<float>& values = storage[name];
    const bool vector = extents.size() == 1;
    values.assign(zoft::io::elements(extents), vector ? 1.0f : 0.0f);
    if (!vector)
      zoft::uniform{}.axpy(std::span(values), 1 / std::sqrt(static_cast<float>(extents.back())), {1, index++, 0});
    tensors[name] = {zoft::nn::dtype::f32, extents, std::as_bytes(std::span<const float>(values))};
  });
  return zoft::nn::transformer(zoft::io::checkpoint("a random model", c, {}, {}, std::move(tensors)), o);
}

inline zoft::nn::batch random_batch(const zoft::nn::config& c, std::size_t sequences, std::size_t tokens) {
  zoft::nn::batch result;
  std::vector<std::int32_t> ids(tokens);
  for (std::uint32_t s = 0; s < sequences; ++s) {
    for (std::uint32_t t = 0; t < tokens; ++t)
      ids[t] = static_cast<std::int32_t>(zoft::random::word({1, s, 0}, zoft::random::stream::data, t) % c.vocabulary);
    result.add(ids);
  }
  return result;
}

}  // namespace bench
