// 8-bit weights, tuned where they are: the embedded task, and how the model takes and gives codes.
#include <fstream>
#include <zoft/adapter/quantised.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/io/tokenizer/llama2c.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>

#include "core_support.hpp"
#include "nn_support.hpp"

namespace nn_quantised_tests {

using namespace nn_test;
using namespace zoft::nn;
using core_test::message;

namespace {

const std::string embedded = std::string(ZOFT_FIXTURES) + "/../../examples/finetune/default";

/// The first pairs of a file: a prompt, a tab, and the answer that is to be learned.
batch pairs(const std::string& file, std::size_t most) {
  const zoft::io::llama2c_tokenizer tokenizer(embedded + "/tokenizer.bin");
  std::ifstream lines(embedded + file);
  batch result;
  for (std::string line; result.size() < most && std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    const std::size_t given = tokenizer.encode(line.substr(0, tab) + "\n").size();
    const auto tokens = tokenizer.encode(line.substr(0, tab) + "\n" + line.substr(tab + 1), true, true);
    auto labels = tokens;
    std::fill_n(labels.begin(), given, ignored);
    result.add(tokens, labels);
  }
  return result;
}

}  // namespace

TEST_CASE("codes: a model's are its weights, and go back as they came", "[nn]") {
  for (const std::size_t threads : sizes{1, 2}) {
    transformer model = random_model(odd_shape(), {true, true, true}, 91, {.weights = dtype::i8, .threads = threads});
    const zoft::layout shape = model.codes_layout();
    std::vector<std::int8_t> codes = model.codes();
    const std::vector<float> scales = model.scales(), weights = model.weights();
    REQUIRE(codes.size() == shape.size());
    const zoft::layout all = model.weights_layout();
    std::size_t row = 0;
    for (const zoft::tensor& t : shape) {
      const auto same = [&](const zoft::tensor& o) { return o.name == t.name; };
      const auto place = std::find_if(all.begin(), all.end(), same);
      REQUIRE(place != all.end());
      for (std::size_t i = 0; i < t.size(); ++i)
        CHECK(weights[place->offset + i] == scales[row + i / t.columns] * static_cast<float>(codes[t.offset + i]));
      row += t.rows;
    }
    CHECK(row == scales.size());

    draws d(92);
    std::vector<std::int8_t> others = codes;
    for (std::int8_t& c : others) c = static_cast<std::int8_t>(d.word() % 255 - 127);
    model.assign(std::span<const std::int8_t>(others));
    CHECK(model.codes() == others);
    CHECK(model.scales() == scales);
    model.assign(std::span<const std::int8_t>(codes));
    CHECK(same_bits(model.weights(), weights));
    CHECK(message([&] { model.assign(std::span<const std::int8_t>(codes).first(3)); }) ==
          "zoft: transformer: 3 codes were given, and it has " + std::to_string(codes.size()));
  }
  const transformer wide = random_model(odd_shape(), {}, 91, {.weights = dtype::bf16});
  CHECK(message([&] { wide.codes(); }) ==
        "zoft: transformer: 'model.embed_tokens.weight' is kept as BF16, and must be I8 to be had as codes: load the "
        "model so");
}

TEST_CASE("codes: the embedded task is learned in 8 bits", "[nn]") {
  transformer model = load(embedded, {.weights = dtype::i8});
  const batch train = pairs("/train.pairs", 48), heldout = pairs("/heldout.pairs", 48);
  REQUIRE(train.size() == 48);
  std::vector<std::int8_t> codes = model.codes();
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 5e-3, .queries = 4},
                     zoft::quantised{model.codes_layout(), model.scales()}, zoft::sgd{.learning_rate = 1e-2},
                     zoft::seed{42}};
  const double before = model.loss(heldout);
  for (int step = 0; step < 60; ++step)
    tuner.step(std::span(codes), [&](std::span<const std::int8_t> c) {
      model.assign(c);
      return model.loss(train);
    });
  model.assign(std::span<const std::int8_t>(codes));
  const double after = model.loss(heldout);
  INFO("from " << before << " to " << after);
  CHECK(after < 0.7 * before);
}

}  // namespace nn_quantised_tests
