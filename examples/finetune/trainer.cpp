#include "trainer.hpp"

#include <array>

#include "trainers.hpp"

namespace finetune {

namespace {

const auto& all_adapters() {
  static const std::array all{added_to_model(), weights_of_model()};
  return all;
}

}  // namespace

std::unique_ptr<trainer> make_trainer(const options& o, zoft::nn::transformer& model,
                                      const std::vector<zoft::low_rank_values>& start) {
  for (const adapters& some : all_adapters())
    if (auto made = some.make(o, model, start)) return made;
  return nullptr;
}

std::vector<std::string> method_names() { return names_of(methods); }
std::string method_help() { return help_of(methods); }

std::vector<std::string> adapter_names() {
  std::vector<std::string> result;
  for (const adapters& some : all_adapters()) result.insert(result.end(), some.names.begin(), some.names.end());
  return result;
}
std::string adapter_help() {
  std::string result;
  for (const adapters& some : all_adapters()) result += some.help;
  return result;
}

}  // namespace finetune
