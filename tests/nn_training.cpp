// The engine and the transformer together.
#include <zoft/mezo.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

/// Sequences that count upwards by one: what comes next is easy to learn.
batch counting(std::size_t sequences, std::size_t length, std::size_t vocabulary, std::uint64_t seed) {
  draws d(seed);
  batch result;
  for (std::size_t i = 0; i < sequences; ++i) {
    std::vector<std::int32_t> ids = d.tokens(1, vocabulary);
    while (ids.size() < length) ids.push_back((ids.back() + 1) % static_cast<std::int32_t>(vocabulary));
    result.add(ids);
  }
  return result;
}

/// What P-RGE trains when its candidates are evaluated together, a half at a time, and one at a time.
template <class Adapter>
void check_loops(const transformer& model, const Adapter& adapter) {
  const batch b = counting(2, 9, model.shape().vocabulary, 61);
  const auto stacked = [&](const auto& adapters, std::span<double> losses) { model.losses(b, adapters, losses); };
  const auto alone = [&](const auto& one) { return model.loss(b, one); };
  const auto train = [&](zoft::parallel loops, auto functor) {
    auto tuner = zoft::prge(
        {.queries = 3, .epsilon = 1e-2, .learning_rate = 2e-2, .decay = 1e-3, .loops = loops, .seed = 9}, adapter);
    tuner.attach(model);
    for (int step = 0; step < 8; ++step) {
      const zoft::step_report s = tuner.step(functor);
      REQUIRE(s.status == zoft::status::ok);
      REQUIRE(s.evaluations == 6);
    }
    const auto trained = tuner.adapter().parameters();
    return std::vector<float>(trained.begin(), trained.end());
  };
  const std::vector<float> both = train(zoft::parallel::outer_and_inner, stacked);
  CHECK(same_bits(train(zoft::parallel::outer, stacked), both));
  CHECK(same_bits(train(zoft::parallel::outer_and_inner, alone), both));
  CHECK(std::any_of(both.begin(), both.end(), [](float value) { return value != 0; }));
}

}  // namespace

TEST_CASE("training: stacked, a half at a time and one at a time give one adapter", "[nn]") {
  // Every linear but q and o of the tied fixture has out ≠ in; all of the odd model's have.
  check_loops(fixture_model("llama_tied_f32"), zoft::lora_fa{.rank = 4});
  check_loops(fixture_model("llama_tied_f32"), zoft::lora{.rank = 4, .targets = {"k_proj", "down_proj"}});
  check_loops(random_model(odd_shape(), {true, true, false}, 62, {.threads = 2}), zoft::lora_fa{.rank = 3});
  check_loops(random_model(odd_shape(), {}, 63, {.threads = 3}), zoft::lora{.rank = 3});
  check_loops(fixture_model("llama_tied_f32"), zoft::prefix{});
  check_loops(random_model(odd_shape(), {true, true, false}, 62, {.threads = 2}), zoft::bias_only{});
  check_loops(random_model(odd_shape(), {}, 63, {.threads = 3}), zoft::norm_only{});
}

TEST_CASE("training: a prefix, biases, or the norms' gains", "[nn]") {
  const transformer model = fixture_model("llama_tied_f32");
  const batch b = counting(8, 12, 32, 64);
  const auto trained = [&](const auto& adapter, double rate) {
    auto tuner = zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = rate, .seed = 3}, adapter);
    tuner.attach(model);
    for (int step = 0; step < 300; ++step)
      REQUIRE(tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(b, adapters, losses); })
                  .status == zoft::status::ok);
    return model.loss(b, tuner.adapter()) / model.loss(b);
  };
  const double prefix = trained(zoft::prefix{}, 3e-2), biases = trained(zoft::bias_only{}, 1e-2),
               gains = trained(zoft::norm_only{}, 3e-2);
  INFO("prefix " << prefix << ", biases " << biases << ", gains " << gains << " of the loss");
  CHECK(prefix < 0.8);
  CHECK(biases < 0.85);
  CHECK(gains < 0.65);
}

TEST_CASE("training: all of a model's weights, in place", "[nn]") {
  transformer model = fixture_model("llama_tied_f32");
  const batch b = counting(8, 12, 32, 64);
  const double before = model.loss(b);
  std::vector<float> weights = model.weights();
  auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-3, .queries = 2, .seed = 3}, model.weights_layout());
  const auto loss = [&](std::span<const float> w) {
    model.assign(w);
    return model.loss(b);
  };
  for (int step = 0; step < 300; ++step) REQUIRE(tuner.step(std::span(weights), loss).status == zoft::status::ok);
  model.assign(weights);
  INFO("from " << before << " to " << model.loss(b));
  CHECK(model.loss(b) < 0.8 * before);
}
