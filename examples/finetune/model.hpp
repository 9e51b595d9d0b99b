/// The model, as the program uses it. It is compiled once, as the transformer is large: not again with each method's
/// engine, and in each task.
#pragma once

#include <span>
#include <string>
#include <vector>
#include <zoft/core/examples.hpp>
#include <zoft/core/observations.hpp>
#include <zoft/core/weight_points.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/transformer.hpp>

#include "options.hpp"

namespace finetune {

/// The tokenizer and the model of the options, which go together.
/// @{
zoft::io::tokenizer load_tokenizer(const options& o);
zoft::nn::transformer load_model(const options& o, const zoft::io::tokenizer& tokens);
/// @}

/// The shape of the options' model, which is not loaded.
zoft::nn::config shape_of_model(const options& o);

/// What the transformer's functions of these names return.
/// @{
std::vector<zoft::nn::token_score> score(const zoft::nn::transformer& model, const zoft::nn::batch& batch,
                                         const zoft::adapter_stack& adapter);
std::vector<std::int32_t> generate(const zoft::nn::transformer& model, std::span<const std::int32_t> prompt,
                                   const zoft::nn::generation& how, const zoft::adapter_stack& adapter);
std::vector<double> key_scores(const zoft::nn::transformer& model, std::span<const std::int32_t> tokens,
                               const zoft::adapter_stack& adapter);
/// @}

/// The loss of a batch.
double evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of);

/// The losses of a batch, for whatever an engine shows its functor.
/// @{
void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::adapter_stack& shown, std::span<double> losses);
void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::weight_points<float>& shown, std::span<double> losses);
void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::adapter_stack& shown, zoft::example_losses losses);
void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::adapter_stack& shown, zoft::example_losses losses, zoft::observations& seen);
/// @}

/// The loss with other weights, which the model has from then on.
double evaluate(zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
                std::span<const float> weights);

/// What adapters are attached to.
struct attachable_model {
  const zoft::nn::transformer& model;

  const zoft::layout& layout() const;
  const zoft::layout& norms() const;
  const zoft::nn::config& shape() const;
  std::vector<zoft::attention_state> attention_states(std::span<const std::int32_t> tokens) const;
};

/// Whether all that is added goes to weights that the model has: biases may have none, a prefix has none.
bool can_be_merged(const zoft::nn::transformer& model, const zoft::adapter_stack& added);

/// The whole model as a Hugging Face folder, with what is added to it.
inline const std::vector<std::string> files_of_model{"config.json", "model.safetensors"};
void save_model(const options& o, const zoft::nn::transformer& model, const std::string& folder,
                const zoft::adapter_stack& added);

}  // namespace finetune
