/// What the trainers of all adapters share, and where each is made. They are compiled apart, as each adapter makes an
/// engine with each method.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>
#include <zoft/io/tokenizer/save.hpp>
#include <zoft/nn/save.hpp>

#include "methods.hpp"
#include "trainer.hpp"

namespace finetune {

/// Adapters by name, and the trainer of one with the options' method; null if the options' adapter is another.
struct adapters {
  std::vector<std::string> names;
  std::string help;
  std::unique_ptr<trainer> (*make)(const options& o, zoft::nn::transformer& model,
                                   const std::vector<zoft::low_rank_values>& start);
};
adapters low_rank_adapters();
adapters vector_adapters();
adapters no_adapter();  ///< all weights

/// Whether losses are of one example each.
template <class Engine>
constexpr bool of_examples =
    zoft::estimator_of_examples<std::remove_cvref_t<decltype(std::declval<const Engine&>().estimator())>>;

/// Whether directions are made from what the model shows.
template <class Engine>
constexpr bool observes = zoft::observing_sampler<std::remove_cvref_t<decltype(std::declval<Engine&>().sampler())>>;

/// One step of a run, on what the engine trains.
template <class Engine, class... X>
zoft::step_report step_of(Engine& engine, const zoft::nn::transformer& model, const zoft::nn::batch& batch,
                          zoft::nn::criterion of, X&... x) {
  if constexpr (observes<Engine>)
    return engine.step(x..., [&](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
      model.example_losses(batch, shown, losses, seen, of);
    });
  else if constexpr (of_examples<Engine>)
    return engine.step(
        x..., [&](const auto& shown, zoft::example_losses losses) { model.example_losses(batch, shown, losses, of); });
  else
    return engine.step(x...,
                       [&](const auto& shown, std::span<double> losses) { model.losses(batch, shown, losses, of); });
}

/// The functor of `step` for a step of the engine's that is made again.
template <class Engine>
auto shows_again(const Engine& engine, const zoft::nn::transformer& model, const trainer::batches& batch_of,
                 zoft::nn::criterion of) {
  return [&, of](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
    model.example_losses(batch_of(engine.steps()), shown, losses, seen, of);
  };
}

/// The whole model as a Hugging Face folder, with what is added to it.
inline const std::vector<std::string> files_of_model{"config.json", "model.safetensors"};
inline void save_model(const options& o, const zoft::nn::transformer& model, const std::string& folder,
                       const zoft::adapter_stack& added) {
  zoft::nn::save(model, o.model, folder, std::nullopt, added);
  zoft::io::save_tokenizer(o.tokenizer, folder);
}

}  // namespace finetune
