// Vectors that are added to a model: states, biases and gains.
#include "adapter_trainer.hpp"

namespace finetune {

namespace {

/// A new one is one more line. (options, what it begins with) -> adapter
const std::tuple table{
    choice{"prefix", "keys and values before those of every sequence",
           [](const auto& o, const auto&) { return zoft::prefix{.length = o.prefix_length}; }},
    choice{"bias_only", "a bias of each linear",
           [](const auto& o, const auto&) { return zoft::bias_only{.targets = o.targets}; }},
    choice{"norm_only", "the gains of the norms",
           [](const auto& o, const auto&) { return zoft::norm_only{.targets = o.targets}; }},
};

std::unique_ptr<trainer> make(const options& o, zoft::nn::transformer& model,
                              const std::vector<zoft::low_rank_values>& start) {
  return make_owning(table, o, model, start);
}

}  // namespace

adapters vector_adapters() { return {names_of(table), help_of(table), make}; }

}  // namespace finetune
