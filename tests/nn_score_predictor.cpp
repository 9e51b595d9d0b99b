// Scores of blocks of tokens that are predicted without a forward.
#include <cmath>
#include <numeric>
#include <vector>
#include <zoft/nn/score_predictor.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

using token_ids = std::vector<std::int32_t>;

transformer model_to_predict() {
  config shape = odd_shape();
  shape.context = 600;
  return random_model(shape, {true, false, true}, 91, {.threads = 1});
}

/// Each block of 64 has tokens of one of four kinds, so that blocks differ.
token_ids kinds_of_tokens(std::uint32_t seed, std::size_t length, std::int32_t vocabulary) {
  draws d(seed);
  token_ids result;
  std::int32_t kind = 0;
  for (std::size_t t = 0; t < length; ++t) {
    if (t % 64 == 0) kind = static_cast<std::int32_t>(d.word() % 4);
    result.push_back(static_cast<std::int32_t>(d.word() % static_cast<unsigned>(vocabulary / 4)) * 4 + kind);
  }
  return result;
}

/// In mean scores of each layer.
std::vector<double> in_mean_scores(std::vector<double> scores, std::size_t layers) {
  const std::size_t blocks = scores.size() / layers;
  for (std::size_t i = 0; i < scores.size(); i += blocks) {
    const double sum = std::accumulate(scores.begin() + static_cast<std::ptrdiff_t>(i),
                                       scores.begin() + static_cast<std::ptrdiff_t>(i + blocks), 0.0);
    for (std::size_t b = 0; b < blocks; ++b) scores[i + b] *= static_cast<double>(blocks) / sum;
  }
  return scores;
}

double mean_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

}  // namespace

TEST_CASE("score predictor: closer to the scores of text it has not seen than the position alone", "[nn]") {
  const transformer model = model_to_predict();
  const std::size_t layers = model.shape().layers;
  const auto vocabulary = static_cast<std::int32_t>(model.shape().vocabulary);
  std::vector<token_ids> learned;
  for (std::uint32_t i = 0; i < 12; ++i) learned.push_back(kinds_of_tokens(i, 520, vocabulary));
  const predictor_options o{.neurons = 8, .features = 16, .seed = 3};
  const score_predictor predictor(model, learned, o);
  double made = 0, by_position = 0;
  for (std::uint32_t i = 20; i < 26; ++i) {
    const token_ids tokens = kinds_of_tokens(i, 450, vocabulary);  // of another length
    const std::vector<double> wanted = in_mean_scores(model.key_scores(tokens), layers);
    std::vector<double> position(wanted.size());
    for (std::size_t j = 0; j < position.size(); ++j)
      position[j] = static_cast<double>(position.size() / layers - j % (position.size() / layers));
    made += mean_distance(predictor.scores(tokens), wanted);
    by_position += mean_distance(in_mean_scores(position, layers), wanted);
  }
  INFO(made << " and by position " << by_position);
  CHECK(made < 0.9 * by_position);
  double recall = 0;
  for (const token_ids& tokens : learned)
    recall += recall_of(predictor.scores(tokens), model.key_scores(tokens), layers, 0.4) / 12;
  CHECK(std::abs(predictor.recall(0.4) - recall) < 1e-12);
  CHECK(same_bits(predictor.scores(learned[0]), score_predictor(model, learned, o).scores(learned[0])));
}

TEST_CASE("score predictor: neurons that never fire are cut, but for one", "[nn]") {
  const transformer model = model_to_predict();
  const std::vector<token_ids> learned{kinds_of_tokens(1, 200, 20)};
  const auto left = [&](double rate, std::uint32_t rounds) {
    const score_predictor predictor(model, learned,
                                    {.neurons = 6, .features = 4, .rounds = rounds, .steps = 3, .learning_rate = rate});
    std::size_t sum = 0;
    for (std::size_t layer = 0; layer < model.shape().layers; ++layer) {
      CHECK(predictor.neurons(layer) >= 1);
      sum += predictor.neurons(layer);
    }
    return sum;
  };
  CHECK(left(1e-3, 2) == 6 * model.shape().layers);
  CHECK(left(30.0, 6) < 6 * model.shape().layers);
}

TEST_CASE("score predictor: recall, and bad input", "[nn]") {
  const std::vector<double> scores{4, 3, 2, 1, /**/ 1, 2, 3, 4}, predicted{9, 1, 8, 0, /**/ 0, 1, 8, 9};
  CHECK(recall_of(predicted, scores, 2, 0.5) == 0.75);
  CHECK(recall_of(predicted, scores, 2, 0.25) == 1);
  CHECK(recall_of(predicted, scores, 1, 0.5) == 0.75);
  CHECK(recall_of(predicted, scores, 2, 0.0) == 1);  // one block at least
  io_test::check_refused([&] { recall_of(predicted, scores, 3, 0.5); }, {"recall: there are 8 predicted scores"});
  const transformer model = model_to_predict();
  io_test::check_refused([&] { score_predictor(model, {}); }, {"score_predictor: there must be sequences"});
  const std::vector<token_ids> empty(1);
  io_test::check_refused([&] { score_predictor(model, empty); }, {"a sequence has no tokens"});
}
