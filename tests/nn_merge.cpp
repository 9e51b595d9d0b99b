// Adapters added to the weights of a folder: the model alone computes what it computed with the adapter.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>
#include <zoft/adapter/bias_only.hpp>
#include <zoft/adapter/lora.hpp>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/adapter/norm_only.hpp>
#include <zoft/adapter/prefix.hpp>
#include <zoft/nn/save.hpp>

#include "io_support.hpp"
#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using zoft::nn::transformer;
namespace nn = zoft::nn;

namespace {

const std::vector<std::int32_t> ids_to_merge{2, 7, 7, 20, 5, 12, 3};

std::vector<float> outputs_with(const transformer& model, const zoft::adapter_stack& adapter = zoft::adapter_stack(1)) {
  return model.shape().has_head ? model.logits(ids_to_merge, adapter) : model.hidden(ids_to_merge, adapter);
}

/// The adapter, attached to the model, with numbers of that size in all places.
template <class Adapter, class Model>
auto filled_adapter(const Adapter& adapter, const Model& to, float size) {
  auto result = adapter.attach(to, zoft::seed{3});
  draws d(17);
  for (float& x : result.parameters()) x = size * d.number();
  return result;
}

/// Whether the saved model computes what the model computes with the adapter, and not what it computes without.
void check_merged(const transformer& model, const std::string& source, const zoft::adapter_stack& adapter) {
  const scratch folder;
  nn::save(model, source, folder.path(), std::nullopt, adapter);
  const std::vector<float> wanted = outputs_with(model, adapter);
  CHECK(distance(outputs_with(nn::load(folder.path(), {.threads = 1})), wanted) < 1e-4);
  CHECK(distance(outputs_with(model), wanted) > 1e-2);
}

}  // namespace

TEST_CASE("merge: a saved model computes what it computed with the adapter, in every family", "[nn]") {
  std::size_t models = 0, biased = 0;
  for (const auto& place : std::filesystem::directory_iterator(ZOFT_FIXTURES)) {
    const std::string source = place.path().string();
    if (!std::filesystem::exists(source + "/config.json") || !std::filesystem::exists(source + "/model.safetensors"))
      continue;
    INFO(source);
    const transformer model = nn::load(source, {.threads = 1});
    check_merged(model, source, filled_adapter(zoft::lora{.rank = 3}, model.layout(), 0.3f).stack());
    check_merged(model, source, filled_adapter(zoft::norm_only{}, model, 0.3f).stack());
    ++models;
    const auto biases = filled_adapter(zoft::bias_only{}, model.layout(), 0.3f);
    const zoft::layout own = model.weights_layout();
    if (std::ranges::all_of(biases.layout(), [&](const zoft::tensor& b) {
          return std::ranges::any_of(own, [&](const zoft::tensor& t) { return t.name == b.name; });
        })) {
      check_merged(model, source, biases.stack());
      ++biased;
    } else {
      const scratch folder;
      check_refused([&] { nn::save(model, source, folder.path("saved"), std::nullopt, biases.stack()); },
                    {"merge: the model has no '", ".bias'"});
      CHECK(!std::filesystem::exists(folder.path("saved")));
    }
  }
  CHECK(models > 25);
  CHECK(biased > 5);
}

TEST_CASE("merge: codes are widened, and the numbers are those of group 0", "[nn]") {
  const std::string source = fixture("llama_untied_f32");
  const transformer model = nn::load(source, {.weights = nn::dtype::i8, .threads = 1});
  const scratch plain, merged;
  nn::save(model, source, plain.path());
  const auto adapter = filled_adapter(zoft::lora_fa{.rank = 2}, model.layout(), 0.3f);
  const std::span<const float> own = adapter.parameters();
  std::vector<float> three(3 * own.size(), 9.0f);
  std::copy(own.begin(), own.end(), three.begin());
  nn::save(model, source, merged.path(), std::nullopt,
           adapter.show(zoft::candidates<float>(three.data(), 3, own.size())));
  const auto widened = nn::load(plain.path(), {.threads = 1});
  CHECK(distance(outputs_with(nn::load(merged.path(), {.threads = 1})), outputs_with(widened, adapter.stack())) < 1e-4);
}

TEST_CASE("merge: what is no weight of the model is refused by name", "[nn]") {
  const std::string source = fixture("llama_tied_f32");
  const transformer model = nn::load(source, {.threads = 1});
  const scratch folder;
  const auto refused = [&](const zoft::adapter_stack& adapter, std::initializer_list<std::string> parts) {
    check_refused([&] { nn::save(model, source, folder.path("saved"), std::nullopt, adapter); }, parts);
    CHECK(!std::filesystem::exists(folder.path("saved")));
  };
  refused(zoft::prefix{.length = 2}.attach(model, zoft::seed{1}).stack(), {"merge: a prefix is no weight"});
  const std::vector<float> numbers(4096, 1.0f);
  const std::size_t dim = model.shape().dim;
  const auto linear = [&](const std::string& name, std::size_t out, std::size_t in) {
    zoft::adapter_stack result(1);
    result.linears.add(name, {.a = numbers.data(), .b = numbers.data(), .rank = 1, .in = in, .out = out});
    return result;
  };
  refused(linear("model.embed_tokens", model.shape().vocabulary, dim), {"model.embed_tokens", "table of tokens"});
  refused(linear("lm_head", model.shape().vocabulary, dim), {"the model has no 'lm_head.weight'"});
  refused(linear("model.layers.0.self_attn.q_proj", dim + 1, dim), {"q_proj.weight' is ", "and its adapter "});
  zoft::adapter_stack gains(1);
  gains.gains["model.norm"] = {numbers.data(), 0, dim + 1};
  refused(gains, {"'model.norm.weight' has ", "and its adapter "});
}
