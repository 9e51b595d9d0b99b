/// What all trainers share, and where they are made. They are compiled apart, as there is an engine for each method.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "methods.hpp"
#include "model.hpp"
#include "trainer.hpp"

namespace finetune {

/// Adapters by name, and the trainer of one with the options' method; null if the options' adapter is another.
struct adapters {
  std::vector<std::string> names;
  std::string help;
  std::unique_ptr<trainer> (*make)(const options& o, zoft::nn::transformer& model,
                                   const std::vector<zoft::low_rank_values>& start);
};
adapters added_to_model();
adapters weights_of_model();  ///< all of them

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
      evaluate(model, batch, of, shown, losses, seen);
    });
  else if constexpr (of_examples<Engine>)
    return engine.step(
        x..., [&](const auto& shown, zoft::example_losses losses) { evaluate(model, batch, of, shown, losses); });
  else
    return engine.step(x...,
                       [&](const auto& shown, std::span<double> losses) { evaluate(model, batch, of, shown, losses); });
}

/// The functor of `step` for a step of the engine's that is made again.
template <class Engine>
auto shows_again(const Engine& engine, const zoft::nn::transformer& model, const trainer::batches& batch_of,
                 zoft::nn::criterion of) {
  return [&, of](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
    evaluate(model, batch_of(engine.steps()), of, shown, losses, seen);
  };
}

}  // namespace finetune
