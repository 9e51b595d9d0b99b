// Models of known shapes with random weights: what a forward costs does not depend on what it knows.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>
#include <zoft/io/file/weights.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/sampler/uniform.hpp>

namespace bench {

struct shape {
  const char* name;
  zoft::nn::config config;
};

/// That of examples/finetune/default, llama2.c's stories15M, SmolLM-135M, and TinyLlama-1.1B.
inline const shape small{"0.2M",
                         {.dim = 64,
                          .hidden = 192,
                          .layers = 3,
                          .heads = 2,
                          .kv_heads = 2,
                          .head_dim = 32,
                          .vocabulary = 259,
                          .context = 256}};
inline const shape stories{"15M",
                           {.dim = 288,
                            .hidden = 768,
                            .layers = 6,
                            .heads = 6,
                            .kv_heads = 6,
                            .head_dim = 48,
                            .vocabulary = 32000,
                            .context = 256}};
inline const shape smol{"135M",
                        {.dim = 576,
                         .hidden = 1536,
                         .layers = 30,
                         .heads = 9,
                         .kv_heads = 3,
                         .head_dim = 64,
                         .vocabulary = 49152,
                         .context = 256}};
inline const shape tiny{"1.1B",
                        {.dim = 2048,
                         .hidden = 5632,
                         .layers = 22,
                         .heads = 32,
                         .kv_heads = 4,
                         .head_dim = 64,
                         .vocabulary = 32000,
                         .context = 256,
                         .tied_head = false}};

/// All tensors are parts of one array of random numbers, so that making a model takes little time and memory.
inline zoft::nn::transformer random_model(const zoft::nn::config& c, const zoft::nn::load_options& o) {
  constexpr std::size_t apart = 4096;
  std::size_t most = 0, tensors = 0;
  zoft::io::for_each_tensor(c, [&](const std::string&, const std::vector<std::size_t>& extents) {
    most = std::max(most, zoft::io::elements(extents));
    ++tensors;
  });
  std::vector<float> matrices(most + apart * tensors), vectors(c.dim, 1.0f);
  zoft::uniform{}.axpy(std::span(matrices), 1 / std::sqrt(static_cast<float>(c.dim)), {1, 0, 0});
  zoft::io::checkpoint::tensor_map views;
  zoft::io::for_each_tensor(c, [&](const std::string& name, const std::vector<std::size_t>& extents) {
    const std::span<const float> values =
        extents.size() == 1 ? vectors : std::span(matrices).subspan(apart * views.size());
    views[name] = {zoft::io::storage::f32, extents, std::as_bytes(values.first(zoft::io::elements(extents)))};
  });
  return zoft::nn::transformer(zoft::io::checkpoint("a random model", c, {}, std::move(views)), o);
}

/// The models of one shape are kept until another is asked for. An activation cache is one of so many bytes, or none.
inline zoft::nn::transformer& kept_model(const shape& s, zoft::nn::dtype weights, std::size_t threads,
                                         std::size_t activation_cache = 0) {
  static std::map<std::tuple<zoft::nn::dtype, std::size_t, std::size_t>, zoft::nn::transformer> kept;
  static const char* of = nullptr;
  if (of != s.name) kept.clear();
  of = s.name;
  const std::tuple key{weights, threads, activation_cache};
  auto found = kept.find(key);
  if (found == kept.end()) {
    const zoft::nn::load_options o{.weights = weights, .threads = threads, .activation_cache = activation_cache};
    found = kept.emplace(key, random_model(s.config, o)).first;
  }
  return found->second;
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

/// A product x (rows, in) · W (out, in)ᵀ in a forward, and how many of its shape there are.
struct product_shape {
  std::size_t in, out, count;
};

/// The products of a forward over every token of a batch: those of each block, and the logits.
inline std::vector<product_shape> products_of(const zoft::nn::config& c) {
  const std::size_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
  return {{c.dim, queries + 2 * keys, c.layers},
          {queries, c.dim, c.layers},
          {c.dim, 2 * c.hidden, c.layers},
          {c.hidden, c.dim, c.layers},
          {c.dim, c.vocabulary, 1}};
}

/// FLOP of those products; that of attention is left out, as it is little in sequences as short as these.
inline double flop_of_forward(const zoft::nn::config& c, std::size_t tokens) {
  double sum = 0;
  for (const auto& [in, out, n] : products_of(c)) sum += 2.0 * static_cast<double>(in * out * n * tokens);
  return sum;
}

}  // namespace bench
