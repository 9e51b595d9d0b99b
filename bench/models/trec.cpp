// TREC's six kinds of questions by MiniLM's sentence vectors and a head of one's own, trained with forward passes:
//
//     trec MODEL TRAIN TEST [SEED [FOLDER]]
//
// The vectors are computed once. They are whitened, because a step is as long as the widest direction allows; then
// P-RGE trains the head on all of them. Prints what is known on the way, and the accuracy on TEST at the end. Writes
// the vectors, before whitening, to FOLDER/train.vectors and test.vectors (float32), for compare_minilm.py.
#include <Eigen/Eigenvalues>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/model/classifier.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/cosine.hpp>

#include "program.hpp"

namespace {

/// Sentences as vectors of unit length: x (rows, width).
struct sentences {
  std::vector<float> x;
  std::vector<std::int32_t> labels;
};

/// Reads lines of "label text".
sentences read_sentences(const std::string& path, const zoft::io::tokenizer& words,
                         const zoft::nn::transformer& model) {
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

/// x ← (x − μ)(C + σ²I)^(−1/2), where μ is the mean of the train set's rows, C their covariance, and σ² the mean of its
/// variances: directions that hardly vary are not blown up.
void whiten(sentences& train, sentences& test, std::size_t width) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto rows = [&](sentences& s) {
    return Eigen::Map<matrix>(s.x.data(), static_cast<Eigen::Index>(s.labels.size()), static_cast<Eigen::Index>(width));
  };
  auto a = rows(train), b = rows(test);
  const Eigen::RowVectorXf mean = a.colwise().mean();
  a.rowwise() -= mean;
  b.rowwise() -= mean;
  const matrix covariance = a.transpose() * a / static_cast<float>(a.rows());
  const Eigen::SelfAdjointEigenSolver<matrix> solved(covariance);
  const Eigen::VectorXf variances = solved.eigenvalues(), scales = (variances.array() + variances.mean()).rsqrt();
  const matrix by = solved.eigenvectors() * scales.asDiagonal() * solved.eigenvectors().transpose();
  a = (a * by).eval();
  b = (b * by).eval();
}

int run(const std::vector<std::string>& given) {
  const auto words = zoft::io::load_tokenizer(given[0]);
  const auto model = zoft::nn::load(given[0]);
  const std::size_t seed = given.size() > 3 ? models::number(given[3]) : 42;
  sentences train, test;
  const double pooling = models::seconds_of([&] {
    train = read_sentences(given[1], words, model);
    test = read_sentences(given[2], words, model);
  });
  if (given.size() > 4) {
    models::write(given[4] + "/train.vectors", std::span<const float>(train.x));
    models::write(given[4] + "/test.vectors", std::span<const float>(test.x));
  }
  whiten(train, test, model.shape().dim);

  const zoft::nn::classifier head(6, model.shape().dim);
  std::vector<float> parameters(head.size());
  constexpr std::uint32_t steps = 400;
  auto tuner =
      zoft::prge({.queries = 64, .epsilon = 1e-2, .learning_rate = 0.2, .schedule = zoft::cosine(steps), .seed = seed});
  std::size_t evaluations = 0;
  double training = 0;
  const auto tell = [&] {
    models::print({{"evaluations", evaluations},
                   {"seconds", training},
                   {"train loss", head.loss(parameters, train.x, train.labels)},
                   {"train accuracy", head.accuracy(parameters, train.x, train.labels)},
                   {"test accuracy", head.accuracy(parameters, test.x, test.labels)}});
  };
  models::print({{"train", train.labels.size()},
                 {"test", test.labels.size()},
                 {"parameters", head.size()},
                 {"seconds for vectors", pooling}});
  for (std::uint32_t step = 1; step <= steps; ++step) {
    training += models::seconds_of([&] {
      evaluations += tuner
                         .step(std::span(parameters),
                               [&](zoft::candidates<float> c, std::span<double> losses) {
                                 head.losses(c, train.x, train.labels, losses);
                               })
                         .evaluations;
    });
    if (step % (steps / 4) == 0) tell();
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4 || count > 6) {
    std::cerr << "trec MODEL TRAIN TEST [SEED [FOLDER]]\n";
    return 2;
  }
  return models::run([&] { return run({arguments + 1, arguments + count}); });
}
