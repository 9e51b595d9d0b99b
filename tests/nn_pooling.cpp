// One vector for a sequence, a classifier of one's own over it, and generation at a temperature.
#include <zoft/mezo.hpp>
#include <zoft/nn/model/classifier.hpp>
#include <zoft/nn/transformer.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

batch pooled_batch(std::size_t vocabulary) {
  draws d(71);
  batch result;
  for (const std::size_t length : sizes{9, 1, 14, 3}) result.add(d.tokens(length, vocabulary));
  return result;
}

}  // namespace

TEST_CASE("pooling: the first, the last or the mean of the hidden states, for any number of threads", "[nn]") {
  for (const char* name : {"bert", "qwen2_f32"})
    for (const std::size_t threads : sizes{1, 2}) {
      INFO(name << ", " << threads);
      const transformer model = fixture_model(name, {.threads = threads});
      const batch b = pooled_batch(model.shape().vocabulary);
      const std::size_t dim = model.shape().dim;
      const std::vector<float> first = model.pooled(b, pooling::first), last = model.pooled(b, pooling::last),
                               mean = model.pooled(b, pooling::mean);
      REQUIRE(mean.size() == b.size() * dim);
      for (std::size_t i = 0; i < b.size(); ++i) {
        const std::vector<float> states = model.hidden(b[i].tokens);
        const std::size_t rows = b[i].tokens.size();
        for (std::size_t d = 0; d < dim; ++d) {
          double sum = 0;
          for (std::size_t row = 0; row < rows; ++row) sum += states[row * dim + d];
          CHECK(first[i * dim + d] == states[d]);
          CHECK(last[i * dim + d] == states[(rows - 1) * dim + d]);
          CHECK(mean[i * dim + d] == Approx(sum / static_cast<double>(rows)).margin(1e-6));
        }
      }
    }
}

TEST_CASE("pooling: by the model's own pooler", "[nn]") {
  const transformer model = fixture_model("bert_classes");
  const zoft::layout all = model.weights_layout();
  const std::vector<float> weights = model.weights();
  const auto part = [&](const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const zoft::tensor& t) { return t.name == name; });
    REQUIRE(found != all.end());
    return std::span(weights).subspan(found->offset, found->size());
  };
  const auto w = part("bert.pooler.dense.weight"), bias = part("bert.pooler.dense.bias");
  const batch b = pooled_batch(model.shape().vocabulary);
  const std::size_t dim = model.shape().dim;
  const std::vector<float> first = model.pooled(b, pooling::first), result = model.pooled(b, pooling::pooler);
  for (std::size_t i = 0; i < b.size(); ++i)
    for (std::size_t o = 0; o < dim; ++o) {
      double sum = bias[o];
      for (std::size_t d = 0; d < dim; ++d) sum += double{w[o * dim + d]} * first[i * dim + d];
      CHECK(result[i * dim + o] == Approx(std::tanh(sum)).margin(1e-6));
    }
}

TEST_CASE("pooling: of a model without a pooler, and of nothing, is refused", "[nn]") {
  const transformer model = fixture_model("qwen2_f32");
  io_test::check_refused([&] { model.pooled(pooled_batch(20), pooling::pooler); }, {"the model has no pooler"});
  io_test::check_refused([&] { model.pooled(batch(), pooling::mean); }, {"the batch has no sequences"});
}

TEST_CASE("pooling: rows of length 1, and zeros as they are", "[nn]") {
  std::vector<float> x{3, 4, 0, 0, -5, 12};
  normalise_lengths(x, 2);
  CHECK((x[0] == 0.6f && x[1] == 0.8f && x[2] == 0 && x[3] == 0));
  CHECK(x[4] == Approx(-5.0 / 13));
}

TEST_CASE("classifier: the loss is a softmax's, and forwards alone train it", "[nn]") {
  const classifier head(3, 2);
  CHECK(head.size() == 9);
  CHECK(head.layout().size() == 9);
  const std::vector<float> w{1, 0, 0, 1, -1, -1, 0.5f, 0, 0}, x{2, 1, -1, 3};
  const std::vector<std::int32_t> labels{0, 1};
  const std::vector<float> z = head.logits(w, x);
  CHECK((z[0] == 2.5f && z[1] == 1 && z[2] == -3 && z[3] == -0.5f && z[4] == 3 && z[5] == -2));
  const double first = std::log(std::exp(2.5) + std::exp(1.0) + std::exp(-3.0)) - 2.5,
               second = std::log(std::exp(-0.5) + std::exp(3.0) + std::exp(-2.0)) - 3;
  CHECK(head.loss(w, x, labels) == Approx((first + second) / 2));
  CHECK(head.accuracy(w, x, labels) == 1);
  CHECK(head.accuracy(w, x, std::vector<std::int32_t>{1, 1}) == 0.5);

  // Three clouds of points.
  draws d(72);
  std::vector<float> states = d.numbers(2 * 90, 0.3f);
  std::vector<std::int32_t> classes;
  for (std::size_t i = 0; i < 90; ++i) {
    classes.push_back(static_cast<std::int32_t>(i % 3));
    states[2 * i] += i % 3 == 0 ? 2.0f : -1.0f;
    states[2 * i + 1] += i % 3 == 1 ? 2.0f : -1.0f;
  }
  std::vector<float> parameters(head.size());
  auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 0.1, .seed = 5});
  for (int step = 0; step < 500; ++step)
    tuner.step(std::span(parameters), [&](std::span<const float> p) { return head.loss(p, states, classes); });
  CHECK(head.accuracy(parameters, states, classes) > 0.95);

  io_test::check_refused([&] { head.loss(w, x, std::vector<std::int32_t>{0, 3}); }, {"label 3", "3 classes"});
  io_test::check_refused([&] { head.loss(w, x, std::vector<std::int32_t>{0}); }, {"1 labels and 2 rows"});
  io_test::check_refused([&] { head.logits(states, x); }, {"180 parameters", "must be 9"});
}

TEST_CASE("generation: at a temperature, tokens come as often as the softmax says, and the seed names them", "[nn]") {
  const std::vector<float> logits{1, 0, 2, -30};
  const generation how{.temperature = 2, .seed = 3};
  constexpr std::uint32_t n = 20000;
  std::vector<double> counts(4);
  for (std::uint32_t i = 0; i < n; ++i) ++counts[static_cast<std::size_t>(next_token(logits, how, i))];
  double total = 0;
  for (const float z : logits) total += std::exp(z / 2.0);
  for (std::size_t i = 0; i < 4; ++i) {
    const double p = std::exp(logits[i] / 2.0) / total;
    CHECK(std::abs(counts[i] / n - p) < 5 * std::sqrt(p * (1 - p) / n) + 1e-6);
  }
  CHECK(next_token(logits, {}, 0) == 2);
  CHECK(next_token(std::vector<float>{1, std::nanf(""), 0}, how, 0) == -1);

  const transformer model = fixture_model("qwen2_f32");
  const std::vector<std::int32_t> prompt{1, 5};
  const auto written = [&](std::uint64_t seed) {
    return model.generate(prompt, {.most = 12, .temperature = 1.5, .seed = seed});
  };
  CHECK(written(1) == written(1));
  CHECK(written(1) != written(2));
  const auto all = model.generate(prompt, {.most = 12});
  REQUIRE(all.size() == 14);
  CHECK(model.generate(prompt, {.most = 12, .stops = {99, all[5]}}).size() <= 5);
  io_test::check_refused([&] { model.generate(prompt, {.temperature = -1}); }, {"temperature is -1"});
}
