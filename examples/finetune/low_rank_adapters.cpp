// Low-rank matrices that are added to a model's.
#include "adapter_trainer.hpp"

namespace finetune {

namespace {

/// What an adapter begins with has its own linears.
std::vector<std::string> targets_of(const options& o, const std::vector<zoft::low_rank_values>& start) {
  return start.empty() ? o.targets : std::vector<std::string>();
}

/// A new one is one more line. (options, what it begins with) -> adapter
const std::tuple table{
    choice{"lora_fa", "B of BA, which is added to the weights; A stays as drawn",
           [](const auto& o, const auto& start) {
             return zoft::lora_fa{.rank = o.rank, .alpha = o.alpha, .targets = targets_of(o, start), .start = start};
           }},
    choice{"lora", "A and B",
           [](const auto& o, const auto& start) {
             return zoft::lora{.rank = o.rank, .alpha = o.alpha, .targets = targets_of(o, start), .start = start};
           }},
};

std::unique_ptr<trainer> make(const options& o, zoft::nn::transformer& model,
                              const std::vector<zoft::low_rank_values>& start) {
  return make_owning(table, o, model, start);
}

}  // namespace

adapters low_rank_adapters() { return {names_of(table), help_of(table), make}; }

}  // namespace finetune
