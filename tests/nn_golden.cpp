// Real models against an independent forward in double: ZOFT_DATA's golden.json.
#include <zoft/io/tokenizer/llama2c.hpp>
#include <zoft/nn/transformer.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using namespace zoft::nn;
using zoft::io::json;
using zoft::io::llama2c_tokenizer;

namespace {

void check_golden(const std::string& folder, const std::string& checkpoint, const std::string& words) {
  INFO(checkpoint);
  const auto golden = real_data(folder + "/golden.json"), path = real_data(folder + "/" + checkpoint),
             tokens = real_data(folder + "/" + words);
  if (!golden || !path || !tokens) return;
  const json expected = json::parse(read_file(*golden));
  const auto ids = expected["tokens"].get<std::vector<std::int32_t>>();
  CHECK(llama2c_tokenizer(*tokens).encode(expected["text"].get<std::string>()) == ids);

  const transformer model = load(*path);
  batch b;
  b.add(ids);
  std::vector<double> nll;
  for (const token_score& score : model.score(b)) nll.push_back(score.nll);
  CHECK(distance(nll, expected["nll"].get<std::vector<double>>()) < 1e-4);
  CHECK(std::abs(model.loss(b) - expected["mean_nll"].get<double>()) < 1e-4);
  const std::vector<float> logits = model.logits(ids);
  const auto last = std::span(logits).last(model.shape().vocabulary);
  CHECK(distance(last, expected["last_logits"].get<std::vector<double>>()) < 1e-3);
}

}  // namespace

TEST_CASE("golden: stories260K, legacy and version 1", "[nn]") {
  check_golden("stories260K", "stories260K.bin", "tok512.bin");
  check_golden("stories260K", "stories260K_v1.bin", "tok512.bin");
}

TEST_CASE("golden: babyllama_tok105", "[nn]") {
  check_golden("babyllama_tok105", "model5000.bin", "tok105.derived.bin");
}

TEST_CASE("golden: what stories260K writes of its own accord", "[nn]") {
  const auto path = real_data("stories260K/stories260K.bin"), tokens = real_data("stories260K/tok512.bin");
  if (!path || !tokens) return;
  const std::vector<std::int32_t> ids =
      load(*path).generate(std::vector{llama2c_tokenizer::bos}, 60, llama2c_tokenizer::eos);
  const std::string text = llama2c_tokenizer(*tokens).decode(ids);
  INFO(text);
  CHECK(
      text.starts_with("Once upon a time, there was a little girl named Lily. She loved to play outside in the park"));
}
