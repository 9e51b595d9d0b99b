#include <cmath>
#include <set>
#include <zoft/autotune.hpp>
#include <zoft/mezo.hpp>

#include "autotune_support.hpp"

using namespace core_test;

namespace {

/// Losses of batches, each (aᵢᵀx − aᵢᵀ1)² of one example; of example 0, a is a hundredth of what it is of others.
class examples {
 public:
  static constexpr std::size_t size = 10;

  void take(std::uint32_t i) {
    batch_ = i;
    a_.assign(size, 0.0);
    zoft::gaussian{}.axpy(std::span(a_), i == 0 ? 0.01 : 1.0, zoft::direction{3, i, 0});
  }
  double operator()(std::span<const double> x) const {
    double miss = 0;
    for (std::size_t i = 0; i < size; ++i) miss += a_[i] * (x[i] - 1);
    return miss * miss;
  }
  std::uint32_t batch() const { return batch_; }

 private:
  std::uint32_t batch_ = 0;
  std::vector<double> a_ = std::vector<double>(size, 0.0);
};

/// Of all examples, about, where batches follow each other for 200 steps from 0 at the tuner's ε and η.
template <class Tuner>
double loss_behind_steps(Tuner tuner) {
  examples f;
  std::vector<double> x(examples::size, 0.0);
  for (std::uint32_t i = 0; i < 200; ++i) {
    f.take(5000 + i);
    tuner.step(std::span(x), f);
  }
  double squares = 0;
  for (const double v : x) squares += (v - 1) * (v - 1);
  return squares;
}

}  // namespace

TEST_CASE("autotune: with batches, the rate suits them all, where one batch's does not", "[autotune]") {
  examples f;
  f.take(0);
  std::vector<double> x(examples::size, 0.0);
  auto of_one = zoft::mezo({.seed = 1}), of_all = of_one;
  CHECK(zoft::autotune(of_one, std::span(x), f).status == zoft::status::ok);
  const auto found =
      zoft::autotune(of_all, std::span(x), f, {.batch = [&](std::uint32_t i) { f.take(i); }, .steps = 200});
  CHECK(found.status == zoft::status::ok);
  CHECK(x == std::vector<double>(examples::size, 0.0));
  CHECK_FALSE(loss_behind_steps(of_one) < examples::size);  // it may be infinite, or nothing
  CHECK(loss_behind_steps(of_all) < 0.3 * examples::size);
}

TEST_CASE("autotune: step i of a trial is made with batch i, and judged on batches that no step had", "[autotune]") {
  const double sigma = GENERATE(0.0, 1e-3);  // of noise that each call has of its own
  examples f;
  std::vector<double> x(examples::size, 0.0);
  std::vector<std::uint32_t> asked;
  auto noisy = autotune_test::with_noise([&](const auto& at) { return std::log1p(f(at)); }, sigma);
  auto tuner = zoft::mezo({.seed = 1});
  const auto found = zoft::autotune(tuner, std::span(x),
                                    [&](std::span<const double> at) {
                                      asked.push_back(f.batch());
                                      return noisy(at);  // finite wherever a trial goes, so that none ends early
                                    },
                                    {.batch = [&](std::uint32_t i) { f.take(i); }});
  REQUIRE(found.rates.size() > 2);
  std::size_t longest = 0, losses = 8;
  for (const auto& trial : found.rates) {
    longest = std::max(longest, trial.steps);
    losses += 2 * trial.steps + 8;
  }
  REQUIRE(losses < asked.size());  // before them, all are of batch 0
  const std::size_t begin = asked.size() - losses;
  CHECK(std::set(asked.begin(), asked.begin() + static_cast<std::ptrdiff_t>(begin)) == std::set<std::uint32_t>{0});
  std::vector<std::uint32_t> expected;
  double start = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    f.take(static_cast<std::uint32_t>(longest + i));
    start += std::log1p(f(x)) / 8;
  }
  CHECK(std::abs(found.loss - start) <= 1e-12 + 5 * sigma / std::sqrt(8.0));
  const auto judge = [&] {
    for (std::size_t i = 0; i < 8; ++i) expected.push_back(static_cast<std::uint32_t>(longest + i));
  };
  judge();
  for (const auto& trial : found.rates) {
    for (std::uint32_t i = 0; i < trial.steps; ++i) expected.insert(expected.end(), 2, i);
    judge();
  }
  CHECK(std::vector(asked.begin() + static_cast<std::ptrdiff_t>(begin), asked.end()) == expected);
}

TEST_CASE("autotune: a rate for n steps of batches goes as 1/∛n, and of one function does not", "[autotune]") {
  const auto rate = [](bool batches, std::size_t steps) {
    examples f;
    f.take(1);
    zoft::autotune_options o{.steps = steps};
    if (batches) o.batch = [&](std::uint32_t i) { f.take(i); };
    std::vector<double> x(examples::size, 0.0);
    auto tuner = zoft::mezo({.seed = 1});
    const auto found = zoft::autotune(tuner, std::span(x), f, o);
    CHECK(found.learning_rate == tuner.optimizer().learning_rate);
    CHECK(found.steps == (batches && steps > 100 ? steps : 0));
    CHECK((found.why().find("for 5000") != std::string::npos) == (found.steps == 5000));
    return std::pair(found.learning_rate, static_cast<double>(found.rates.back().steps));
  };
  const auto [few, trial] = rate(true, 0);
  CHECK(rate(true, 10).first == few);  // fewer than a trial has
  CHECK(rate(true, 5000).first == Approx(few * std::cbrt(trial / 5000)).epsilon(1e-12));
  CHECK(rate(false, 0) == rate(false, 5000));
}

TEST_CASE("autotune: x and the tuner are as they were when there is no such batch", "[autotune]") {
  struct stop {};
  for (const std::uint32_t last : {0U, 1U, 5U, 70U}) {
    examples f;
    std::vector<double> x(examples::size, 0.5);
    auto tuner = zoft::mezo({.epsilon = 0.125, .learning_rate = 0.25, .seed = 1});
    CHECK_THROWS_AS(zoft::autotune(tuner, std::span(x), f,
                                   {.batch =
                                        [&](std::uint32_t i) {
                                          if (i == last) throw stop{};
                                          f.take(i);
                                        }}),
                    stop);
    CHECK(x == std::vector<double>(examples::size, 0.5));
    CHECK(tuner.estimator().epsilon == 0.125);
    CHECK(tuner.optimizer().learning_rate == 0.25);
  }
}

// A model's loss may saturate where it diverges, and be less there with an even larger rate.
TEST_CASE("autotune: the search turns to lower rates where the loss is above its start, however flat it is there",
          "[autotune]") {
  const auto wells = [](std::span<const double> x) {
    double sum = 0;
    for (const double v : x) sum += 1 - std::exp(-v * v / 2) + 0.4 / (1 + 0.01 * v * v);
    return sum;
  };
  std::vector<double> x(100,
                        0.99);  // where there is next to no curvature, and the rate that it asks for is far too large
  auto tuner = zoft::mezo({.seed = 1});
  const auto found = zoft::autotune(tuner, std::span(x), wells);
  INFO(found.why());
  CHECK(found.rates[0].loss > found.loss);
  REQUIRE(found.status == zoft::status::ok);
  for (int i = 0; i < 1000; ++i) tuner.step(std::span(x), wells);
  CHECK(wells(x) < 0.6 * found.loss);  // 40.0 is the least
}
