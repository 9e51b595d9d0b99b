// TREC's six kinds of questions by MiniLM's sentence vectors and a head of one's own, trained with forward passes.
//
//     trec MODEL TRAIN TEST [FOLDER]
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/model/classifier.hpp>

#include "program.hpp"

namespace {

/// Sentences of a file of lines "label text", as vectors of unit length: x (rows, width).
struct sentences {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
};

sentences read_sentences(const std::string& path, const zoft::io::tokenizer& words, const zoft::nn::transformer& model) {
  zoft::nn::batch batch;
  sentences result;
  for (const std::string& line : models::split(models::read(path), '\n')) {
    if (line.size() < 3 || line[0] < '0' || line[0] > '5' || line[1] != ' ')
      throw std::runtime_error(path + ": '" + line + "' is not a label from 0 to 5, a space and a text");
    result.labels.push_back(line[0] - '0');
    batch.add(words.encode(std::string_view(line).substr(2)));
  }
  result.x = model.pooled(batch, zoft::nn::pooling::mean);
  zoft::nn::normalise_lengths(result.x, model.shape().dim);
  return result;
}

int run(const std::vector<std::string>& given) {
  const auto words = zoft::io::load_tokenizer(given[0]);
  const auto model = zoft::nn::load(given[0]);
  sentences train, test;
  const double seconds = models::seconds_of([&] {
    train = read_sentences(given[1], words, model);
    test = read_sentences(given[2], words, model);
  });
  models::print({{"train", train.labels.size()}, {"test", test.labels.size()}, {"seconds", seconds}});
  if (given.size() > 3) {
    models::write(given[3] + "/train.vectors", std::span<const float>(train.x));
    models::write(given[3] + "/test.vectors", std::span<const float>(test.x));
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4 && count != 5) {
    std::cerr << "trec MODEL TRAIN TEST [FOLDER]\n";
    return 2;
  }
  return models::run([&] { return run({arguments + 1, arguments + count}); });
}
