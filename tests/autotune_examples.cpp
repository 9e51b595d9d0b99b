// autotune where each loss is of one example: what it asks for, and whether the numbers are good ones.
#include <zoft/autotune.hpp>
#include <zoft/estimator/per_example.hpp>
#include <zoft/method/grzo.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/schedule/linear.hpp>

#include "autotune_support.hpp"

using namespace core_test;
using namespace autotune_test;

namespace {

constexpr std::size_t examples = 8, size = 60;

/// log cosh(aᵦᵀx − yᵦ): a regression whose examples disagree.
struct regression {
  std::vector<float> a = noise<float>(zoft::gaussian{}, {3, 0, 0}, examples* size);

  [[gnu::noinline]] double operator()(std::span<const float> x, std::size_t b) const {
    double sum = std::cos(static_cast<double>(b));
    for (std::size_t i = 0; i < size; ++i) sum += static_cast<double>(a[b * size + i]) * static_cast<double>(x[i]);
    return std::log(std::cosh(sum));
  }
  double mean(std::span<const float> x) const {
    double sum = 0;
    for (std::size_t b = 0; b < examples; ++b) sum += (*this)(x, b) / examples;
    return sum;
  }
};

zoft::layout one_matrix() {
  zoft::layout result;
  result.add("w", 6, 10);
  return result;
}

auto of_rows(double rate = 1e-2, double epsilon = 1e-3, std::uint64_t seed = 1) {
  return zoft::per_example_lozo(
      {.examples = examples, .queries = 2, .rank = 2, .epsilon = epsilon, .learning_rate = rate, .seed = seed},
      zoft::full{.layout = one_matrix()});
}
auto by_adam_like(double epsilon = 1e-3) {
  return zoft::engine{zoft::gaussian{}, zoft::per_example<>{.each = {.epsilon = epsilon}, .examples = examples},
                      zoft::full{}, zoft::sgd{.learning_rate = 1e-3}, zoft::seed{1}};
}

}  // namespace

TEST_CASE("autotune of examples: x comes back, and evaluations are of whole batches", "[autotune]") {
  const regression f;
  const auto before = start<float>(size);
  auto x = before;
  const auto check = [&](auto make, const auto& epsilon_of) {
    auto tuner = make(), stacked = make();
    std::size_t calls = 0;
    const auto one = zoft::autotune(tuner, std::span(x), [&](std::span<const float> at, zoft::example e) {
      ++calls;
      return f(at, e.index);
    });
    CHECK(bits(x) == bits(before));
    CHECK(one.status == zoft::status::ok);
    CHECK(calls <= examples * one.evaluations);
    CHECK(calls > examples * (one.evaluations - 1));
    CHECK(one.evaluations < 1100);
    CHECK(std::abs(one.loss - f.mean(before)) < 1e-12);
    CHECK(epsilon_of(tuner) == one.epsilon);
    CHECK(tuner.optimizer().learning_rate == one.learning_rate);

    // Of candidates, whole batches are asked for, though one example is wanted along a direction.
    calls = 0;
    const auto all = zoft::autotune(stacked, std::span(x), [&](zoft::candidates<float> c, zoft::example_losses losses) {
      REQUIRE(c.size() == losses.size());
      REQUIRE(c.size() % examples == 0);
      calls += c.size();
      for (std::size_t i = 0; i < c.size(); ++i) losses[i] = f(c[i], losses.example_of(i));
    });
    CHECK(bits(x) == bits(before));
    CHECK(calls == examples * all.evaluations);
    CHECK(all.epsilon == one.epsilon);
    // The limit is met at other trials, since these were dearer.
    check_factor(all.learning_rate, one.learning_rate, 1.5);
  };
  check([] { return of_rows(); }, [](const auto& t) { return t.estimator().of.each.epsilon; });
  check([] { return by_adam_like(); }, [](const auto& t) { return t.estimator().each.epsilon; });
}

TEST_CASE("autotune of examples: the radius is one for a single example's loss", "[autotune]") {
  // Of noise σ in each example and a quadratic of curvature κ along z, one-sided differences are best at 8^¼ √(σ/κ).
  const double sigma = 1e-4;
  std::uint32_t call = 0;
  std::vector<float> x = start<float>(size);
  auto tuner = of_rows();
  const auto found = zoft::autotune(tuner, std::span(x), [&](std::span<const float> at, zoft::example e) {
    double sum = 0;
    for (std::size_t i = e.index; i < size; i += examples)
      sum += static_cast<double>(at[i]) * static_cast<double>(at[i]);
    return static_cast<double>(examples) / 2 * sum + sigma * noise<double>(zoft::gaussian{}, {9, call++, 0}, 1)[0];
  });
  CHECK(!found.central);
  check_factor(found.noise.value, sigma, 2.5);
  check_factor(found.curvature, size, 3);  // its trace: that of one example, as that of all
  check_factor(found.epsilon, std::pow(8, 0.25) * std::sqrt(sigma / size), 3);
}

TEST_CASE("autotune of examples: its rate is as good as the best of a grid", "[autotune]") {
  const regression f;
  const auto before = start<float>(size);
  constexpr std::uint32_t steps = 60;
  const auto end = [&](double rate, double epsilon, std::uint64_t seed) {
    auto x = before;
    auto tuner = of_rows(rate, epsilon, seed);
    while (tuner.steps() < steps)
      tuner.step(std::span(x), [&](std::span<const float> at, zoft::example e) { return f(at, e.index); });
    return f.mean(x);
  };
  const auto mean_end = [&](double rate, double epsilon) {
    double sum = 0;
    for (std::uint64_t seed = 11; seed < 21; ++seed) sum += end(rate, epsilon, seed) / 10;
    return sum;
  };
  auto tuner = of_rows();
  auto x = before;
  const auto found =
      zoft::autotune(tuner, std::span(x), [&](std::span<const float> at, zoft::example e) { return f(at, e.index); },
                     {.evaluations = 1500});
  double best = f.mean(before), best_rate = 0;
  for (double rate = 1; rate > 1e-5; rate /= 2)
    if (const double now = mean_end(rate, 1e-3); now < best) best = now, best_rate = rate;
  CAPTURE(found.why(), best_rate, best, f.mean(before));
  CHECK(found.learning_rate < 4 * best_rate);
  CHECK(found.learning_rate > best_rate / 4);
  CHECK(f.mean(before) - mean_end(found.learning_rate, found.epsilon) > 0.8 * (f.mean(before) - best));
}

TEST_CASE("autotune of examples: grzo, whose estimator has its own radius", "[autotune]") {
  const regression f;
  const auto before = start<float>(size);
  auto x = before;
  auto tuner = zoft::grzo({.examples = examples, .seed = 1}, one_matrix());
  const auto found =
      zoft::autotune(tuner, std::span(x), [&](std::span<const float> at, zoft::example e) { return f(at, e.index); });
  CHECK(found.status == zoft::status::ok);
  CHECK(tuner.estimator().epsilon == found.epsilon);
  while (tuner.steps() < 200)
    tuner.step(std::span(x), [&](std::span<const float> at, zoft::example e) { return f(at, e.index); });
  CHECK(f.mean(x) < 0.5 * f.mean(before));
}
