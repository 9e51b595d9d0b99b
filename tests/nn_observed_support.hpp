// What the tests of a transformer that shows its linears share.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>
#include <zoft/core/observations.hpp>
#include <zoft/nn/transformer.hpp>

#include "nn_support.hpp"

namespace nn_test {

using zoft::observations;
using zoft::nn::batch, zoft::nn::load_options, zoft::nn::transformer;

/// Decoders of one family each: with sequential and parallel blocks, norms before and behind, biases, scales and caps.
inline constexpr const char* observed_fixtures[] = {
    "llama_tied_f32", "gemma2", "gpt2", "gpt_neox", "olmo2", "opt", "phi", "phi3", "qwen3", "stablelm_parallel"};

/// Sequences of which some tokens are to be predicted: many, one, none, and all.
inline batch observed_batch(const transformer& model, std::uint64_t seed) {
  draws d(seed);
  batch result;
  for (const std::size_t length : sizes{9, 3, 4, 12}) {
    const auto tokens = d.tokens(length, model.shape().vocabulary);
    auto labels = d.tokens(length, model.shape().vocabulary);
    for (std::size_t t = 0; t < length; ++t)
      if (length == 4 || (length == 3 && t == 2) || (length == 9 && t % 3 == 1)) labels[t] = zoft::nn::ignored;
    result.add(tokens, labels);
  }
  return result;
}

inline std::vector<std::string> observed_names(const transformer& model) {
  std::vector<std::string> result;
  for (const zoft::tensor& t : model.weights_layout()) result.push_back(t.name);
  return result;
}

struct seen_losses {
  observations seen;
  std::vector<double> losses;
};

/// What is shown of each sequence by itself, or of all as one example.
inline seen_losses observed_at(const transformer& model, const batch& b, bool each, std::size_t queries,
                               std::size_t rank, const zoft::adapter_stack& stack, std::uint32_t step = 3,
                               std::vector<std::string> names = {}) {
  seen_losses result{{}, std::vector<double>(stack.size())};
  result.seen.ask({5, step, 0}, each ? b.size() : 1, queries, rank, names.empty() ? observed_names(model) : names);
  if (each)
    model.example_losses(b, stack, result.losses, result.seen);
  else
    model.losses(b, stack, result.losses, result.seen);
  return result;
}
inline seen_losses observed_at(const transformer& model, const batch& b, bool each, std::size_t queries,
                               std::size_t rank) {
  return observed_at(model, b, each, queries, rank, zoft::adapter_stack(each ? b.size() : 1));
}

/// A model's weights, by name.
struct observed_weights {
  std::vector<float> values;
  std::map<std::string, zoft::tensor> tensors;

  explicit observed_weights(const transformer& model) : values(model.weights()) {
    for (const zoft::tensor& t : model.weights_layout()) tensors[t.name] = t;
  }
  /// Empty if there is none of that name.
  std::span<const float> of(const std::string& name) const {
    const auto found = tensors.find(name);
    if (found == tensors.end()) return {};
    return std::span(values).subspan(found->second.offset, found->second.size());
  }
};

inline transformer observed_model(const load_options& o = {.threads = 1}) {
  return random_model(odd_shape(), {true, false, true}, 31, o);
}

}  // namespace nn_test
