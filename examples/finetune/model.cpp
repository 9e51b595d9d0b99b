#include "model.hpp"

#include <optional>
#include <stdexcept>
#include <zoft/io/tokenizer/save.hpp>
#include <zoft/nn/save.hpp>

namespace finetune {

zoft::io::tokenizer load_tokenizer(const options& o) { return zoft::io::load_tokenizer(o.tokenizer); }

zoft::nn::transformer load_model(const options& o, const zoft::io::tokenizer& tokens) {
  zoft::nn::transformer result = zoft::nn::load(
      o.model, {.weights = o.weights, .threads = o.threads, .activation_cache = o.activation_cache * 1'000'000});
  if (tokens.size() > result.shape().vocabulary)
    refuse(o.tokenizer + ": has " + zoft::text(tokens.size()) + " tokens, and " + o.model + " knows " +
           zoft::text(result.shape().vocabulary));
  return result;
}

zoft::nn::config shape_of_model(const options& o) { return zoft::io::open_checkpoint(o.model).shape(); }

std::vector<zoft::nn::token_score> score(const zoft::nn::transformer& model, const zoft::nn::batch& batch,
                                         const zoft::adapter_stack& adapter) {
  return model.score(batch, adapter);
}
std::vector<std::int32_t> generate(const zoft::nn::transformer& model, std::span<const std::int32_t> prompt,
                                   const zoft::nn::generation& how, const zoft::adapter_stack& adapter) {
  return model.generate(prompt, how, adapter);
}
std::vector<double> key_scores(const zoft::nn::transformer& model, std::span<const std::int32_t> tokens,
                               const zoft::adapter_stack& adapter) {
  return model.key_scores(tokens, adapter);
}

double evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of) {
  return model.loss(batch, zoft::adapter_stack(1), of);
}

void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::adapter_stack& shown, std::span<double> losses) {
  model.losses(batch, shown, losses, of);
}
void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::weight_points<float>& shown, std::span<double> losses) {
  model.losses(batch, shown, losses, of);
}
void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::adapter_stack& shown, zoft::example_losses losses) {
  model.example_losses(batch, shown, losses, of);
}
void evaluate(const zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
              const zoft::adapter_stack& shown, zoft::example_losses losses, zoft::observations& seen) {
  model.example_losses(batch, shown, losses, seen, of);
}
double evaluate(zoft::nn::transformer& model, const zoft::nn::batch& batch, zoft::nn::criterion of,
                std::span<const float> weights) {
  model.assign(weights);
  return evaluate(model, batch, of);
}

const zoft::layout& attachable_model::layout() const { return model.layout(); }
const zoft::layout& attachable_model::norms() const { return model.norms(); }
const zoft::nn::config& attachable_model::shape() const { return model.shape(); }
std::vector<zoft::attention_state> attachable_model::attention_states(std::span<const std::int32_t> tokens) const {
  return model.attention_states(tokens);
}

bool can_be_merged(const zoft::nn::transformer& model, const zoft::adapter_stack& added) {
  try {
    zoft::nn::merged_weights(model.weights_layout(), added, model.shape().names.embedding);
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

void save_model(const options& o, const zoft::nn::transformer& model, const std::string& folder,
                const zoft::adapter_stack& added) {
  zoft::nn::save(model, o.model, folder, std::nullopt, added);
  zoft::io::save_tokenizer(o.tokenizer, folder);
}

}  // namespace finetune
