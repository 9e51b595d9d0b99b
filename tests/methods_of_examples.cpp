// Methods in which every example of a batch has directions of its own.
#include <zoft/method/grzo.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

using namespace core_test;

namespace {

constexpr std::size_t examples = 6;

zoft::layout shape() {
  zoft::layout result;
  result.add("w", 4, 5);
  result.add("b", 3);
  return result;
}

/// Example b's loss: the squared distance from a point of its own, in a scale of its own.
template <class T>
double loss(std::span<const T> x, std::size_t b) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = static_cast<double>(x[i]) - std::sin(static_cast<double>(7 * b + i));
    sum += off * off;
  }
  return (1 + static_cast<double>(b)) * sum;
}

template <class T>
void losses_of(zoft::candidates<T> c, std::span<double> losses) {
  for (std::size_t i = 0; i < c.size(); ++i) losses[i] = loss(c[i], i % examples);
}

}  // namespace

TEST_CASE("grzo: a step by its definition", "[grzo]") {
  const zoft::grzo_options o{.examples = examples, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 8};
  auto tuner = zoft::grzo(o, shape());
  std::vector<double> x(shape().size(), 0.5), expected = x;
  std::vector<double> differences;
  std::vector<std::vector<double>> z;
  for (std::uint32_t b = 0; b < examples; ++b) {
    z.push_back(noise<double>(zoft::flipout{.layout = shape()}, {8, 0, b}, x.size()));
    std::vector<double> up = x, down = x;
    for (std::size_t i = 0; i < x.size(); ++i) up[i] += o.epsilon * z[b][i], down[i] -= o.epsilon * z[b][i];
    differences.push_back(loss(std::span<const double>(up), b) - loss(std::span<const double>(down), b));
  }
  double mean = 0, square = 0;
  for (const double d : differences) mean += d / examples;
  for (const double d : differences) square += (d - mean) * (d - mean) / examples;
  for (std::uint32_t b = 0; b < examples; ++b)
    for (std::size_t i = 0; i < x.size(); ++i)
      expected[i] -=
          o.learning_rate * differences[b] / (std::sqrt(square) + 1e-8) / (2 * o.epsilon * examples) * z[b][i];

  const auto report = tuner.step(std::span(x), losses_of<double>);
  CHECK(report.evaluations == 2);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i] == Approx(expected[i]).epsilon(1e-12));
}

TEMPLATE_TEST_CASE("grzo: the mean of the examples' losses falls to near its minimum", "[grzo]", float, double) {
  using T = TestType;
  const auto mean = [](std::span<const T> x) {
    double sum = 0;
    for (std::size_t b = 0; b < examples; ++b) sum += loss(x, b) / examples;
    return sum;
  };
  // The examples' points weighed by their scales.
  std::vector<T> best(shape().size());
  for (std::size_t i = 0; i < best.size(); ++i) {
    double sum = 0;
    for (std::size_t b = 0; b < examples; ++b)
      sum += static_cast<double>(1 + b) * std::sin(static_cast<double>(7 * b + i)) / 21;
    best[i] = static_cast<T>(sum);
  }
  const double least = mean(best);
  std::vector<T> x(shape().size(), T(3));
  const double before = mean(x) - least;
  auto tuner = zoft::grzo({.examples = examples, .epsilon = 1e-2, .learning_rate = 2e-4, .seed = 3}, shape());
  for (int step = 0; step < 3000; ++step) tuner.step(std::span(x), losses_of<T>);
  CHECK(mean(x) - least < 0.01 * before);
}

TEST_CASE("per_example_lozo: a step by its definition", "[per_example_lozo]") {
  constexpr std::size_t queries = 2, all = queries * examples;
  const zoft::per_example_lozo_options o{.examples = examples,
                                         .queries = queries,
                                         .rank = 3,
                                         .epsilon = 1e-2,
                                         .learning_rate = 1e-3,
                                         .decay = 0.1,
                                         .schedule = zoft::linear(4),
                                         .seed = 8};
  auto tuner = zoft::per_example_lozo(o, zoft::full{.layout = shape()});
  std::vector<double> x(shape().size(), 0.5);
  for (std::uint32_t step = 0; step < 2; ++step) {
    std::vector<double> expected = x, slopes;
    std::vector<std::vector<double>> z;
    for (std::uint32_t i = 0; i < all; ++i) {
      z.push_back(noise<double>(
          zoft::low_rank_gaussian{
              .layout = shape(), .rank = 3, .interval = 1, .scaling = zoft::low_rank_scaling::unbiased},
          {8, step, i}, x.size()));
      std::vector<double> there = x;
      for (std::size_t j = 0; j < x.size(); ++j) there[j] += o.epsilon * z[i][j];
      const std::size_t b = i % examples;
      slopes.push_back((loss(std::span<const double>(there), b) - loss(std::span<const double>(x), b)) / o.epsilon);
    }
    double mean = 0, square = 0;
    for (const double s : slopes) mean += s / all;
    for (const double s : slopes) square += (s - mean) * (s - mean) / all;
    const double rate = o.learning_rate * o.schedule(step);
    for (std::size_t j = 0; j < x.size(); ++j) {
      double g = o.decay * x[j];
      for (std::size_t i = 0; i < all; ++i) g += slopes[i] / (std::sqrt(square) + 1e-8) / all * z[i][j];
      expected[j] -= rate * g;
    }
    const auto report = tuner.step(std::span(x), losses_of<double>);
    CHECK(report.evaluations == queries + 1);
    for (std::size_t j = 0; j < x.size(); ++j) CHECK(x[j] == Approx(expected[j]).epsilon(1e-11));
  }
}
