// Methods in which every example of a batch has directions of its own.
#include <zoft/method/grzo.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

namespace methods_of_examples_tests {

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
void losses_of(zoft::candidates<T> c, zoft::example_losses losses) {
  for (std::size_t i = 0; i < c.size(); ++i) losses[i] = loss(c[i], losses.example_of(i));
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

namespace {

/// The bits of x and the largest number of candidates in a call, after three steps with functors of both forms.
template <class T, class Tuner>
void check_forms(const Tuner& made) {
  std::vector<T> in_place(shape().size(), T(0.5)), stacked = in_place, few = in_place;
  Tuner first = made, second = made, third = made;
  for (int step = 0; step < 3; ++step) {
    const auto one = first.step(std::span(in_place), [](std::span<const T> x, zoft::example e) {
      REQUIRE(e.index < examples);
      return loss(x, e.index);
    });
    const auto all = second.step(std::span(stacked), losses_of<T>);
    third.step(std::span(few), [](zoft::candidates<T> c, zoft::example e) { return loss(c[0], e.index); });
    CHECK(one.evaluations == all.evaluations);
    CHECK(one.probe_loss == all.probe_loss);
  }
  CHECK(bits(in_place) == bits(stacked));
  CHECK(bits(few) == bits(stacked));
  CHECK(bits(stacked) != bits(std::vector<T>(stacked.size(), T(0.5))));
}

}  // namespace

TEMPLATE_TEST_CASE("methods of examples: each form of a functor gives the same bits", "[grzo][per_example_lozo]", float,
                   double) {
  check_forms<TestType>(zoft::grzo({.examples = examples, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 8}, shape()));
  check_forms<TestType>(zoft::per_example_lozo(
      {.examples = examples, .queries = 2, .rank = 3, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 8},
      zoft::full{.layout = shape()}));
}

TEST_CASE("methods of examples: calls hold whole batches", "[grzo]") {
  const auto tuner = [](std::size_t most) {
    return zoft::engine{zoft::gaussian{}, zoft::standardised_per_example{.queries = examples},
                        zoft::full{},     zoft::sgd{.learning_rate = 1e-3},
                        zoft::seed{8},    zoft::per_call{most}};
  };
  std::vector<double> all(shape().size(), 0.5), two = all;
  tuner(0).step(std::span(all), losses_of<double>);
  std::size_t calls = 0;
  tuner(examples).step(std::span(two), [&](zoft::candidates<double> c, zoft::example_losses losses) {
    ++calls;
    CHECK((c.size() == examples && losses.size() == examples && losses.batch_size() == examples));
    for (std::size_t i = 0; i < examples; ++i) CHECK(losses.example_of(i) == i);
    losses_of(c, losses);
  });
  CHECK(calls == 2);
  CHECK(bits(two) == bits(all));
  CHECK(message([&] { tuner(examples + 1); }) == "zoft: engine: per_call is " + zoft::text(examples + 1) +
                                                     ", and must be a multiple of the batch's examples, " +
                                                     zoft::text(examples));
  // A batch's size may change between steps, and is checked then.
  auto changed = tuner(examples);
  changed.estimator().queries = examples + 1;
  CHECK_THROWS_AS(changed.step(std::span(all), losses_of<double>), std::invalid_argument);
}

TEST_CASE("example_losses: candidate i is evaluated on example i mod B, wherever a call begins", "[per_example]") {
  std::vector<double> losses(5);
  const zoft::example_losses from_seventh(losses, 3, 7);
  CHECK((from_seventh.example_of(0) == 1 && from_seventh.example_of(1) == 2 && from_seventh.example_of(2) == 0));
  from_seventh[2] = 4;
  CHECK(losses[2] == 4);
  CHECK(from_seventh.values().data() == losses.data());
  // Losses of examples are not taken for losses of a batch, nor the other way round.
  CHECK_FALSE(std::is_convertible_v<zoft::example_losses, std::span<double>>);
  CHECK_FALSE(std::is_convertible_v<std::span<double>, zoft::example_losses>);
}

}  // namespace methods_of_examples_tests
