#include <cmath>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/rate_watch.hpp>

#include "autotune_support.hpp"

namespace rate_watch_tests {

using namespace core_test;
using autotune_test::with_noise;

// A slope of at most 1 far away, and a curvature of 1 at the minimum.
double log_cosh(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += std::log(std::cosh(v - 1));
  return sum;
}

struct outcome {
  double loss = 0;
  std::size_t tunings = 1;
};

/// A run of so many losses from x, all tuning included. Without a watch, it is tuned once.
template <class Tuner, class F>
outcome run(Tuner tuner, std::vector<double> x, F f, double (*without_noise)(std::span<const double>), bool watched,
            std::size_t losses = 10'000) {
  outcome result;
  zoft::autotune_report found = zoft::autotune(tuner, std::span(x), f);
  std::size_t spent = found.evaluations;
  zoft::rate_watch watch(tuner, found);
  while (spent < losses) {
    const zoft::step_report step = tuner.step(std::span(x), f);
    spent += step.evaluations;
    if (!watch.too_large(step) || !watched) continue;
    if (losses - std::min(spent, losses) < 1000) {
      tuner.optimizer().learning_rate /= 2;
    } else {
      found = zoft::autotune(tuner, std::span(x), f, {.evaluations = 500});
      spent += found.evaluations;
    }
    watch = {tuner, found};
    ++result.tunings;
  }
  result.loss = without_noise(x);
  return result;
}

std::vector<double> gaussians(std::size_t n, double scale, std::uint32_t name) {
  std::vector<double> x = noise<double>(zoft::gaussian{}, {2024, name, 0}, n);
  for (double& v : x) v *= scale;
  return x;
}

}  // namespace rate_watch_tests

using namespace rate_watch_tests;

TEST_CASE("rate_watch: a curvature that grows is seen, and the run goes on from there", "[rate_watch]") {
  const std::vector<double> zero(10, 0.0);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    // From 9. The best of 32 constant pairs of ε and η ends at 3.9, the median of nine seeds.
    const outcome once = run(zoft::mezo({.seed = seed}), zero, rosenbrock<double>, rosenbrock<double>, false),
                  again = run(zoft::mezo({.seed = seed}), zero, rosenbrock<double>, rosenbrock<double>, true);
    CHECK(!(once.loss < 1e9));  // otherwise this test shows nothing
    CHECK(again.loss < 3.9);
    CHECK(again.tunings > 1);
  }
}

TEST_CASE("rate_watch: a loss that has stopped falling is told from one of which noise is left", "[rate_watch]") {
  const auto f = [](std::uint64_t seed) { return with_noise(log_cosh, 0.1, seed); };
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    const std::vector<double> far = gaussians(50, 3, 5);
    const outcome once = run(zoft::mezo({.seed = seed}), far, f(seed), log_cosh, false),
                  again = run(zoft::mezo({.seed = seed}), far, f(seed), log_cosh, true);
    CHECK(again.loss < once.loss / 10);
    CHECK(again.tunings <= 5);
  }
}

TEST_CASE("rate_watch: nothing is seen where the curvature is the same everywhere", "[rate_watch]") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    CHECK(run(zoft::mezo({.seed = seed}), gaussians(100, 1, 6), sphere<double>, sphere<double>, true).tunings == 1);
    CHECK(run(zoft::mezo({.queries = 4, .seed = seed}), gaussians(100, 1, 7), with_noise(sphere<double>, 0.1, seed),
              sphere<double>, true)
              .tunings <= 2);
  }
}

TEST_CASE("rate_watch: for another optimizer it is the rise that counts", "[rate_watch]") {
  const auto tuner = [](std::uint64_t seed) {
    return zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, zoft::momentum{}, zoft::seed{seed}};
  };
  zoft::engine by_hand = tuner(1);
  zoft::rate_watch watch(by_hand, {});
  zoft::step_report step{.probe_loss = 5, .projected_gradients = {3}, .learning_rate = 1};
  for (int i = 0; i < 200; ++i) {
    step.probe_loss = i % 2;
    CHECK(!watch.too_large(step));  // of plain descent, it would be too large
  }
  step.probe_loss = 100;
  CHECK(!watch.too_large(step));
  CHECK(!watch.too_large(step));
  CHECK(watch.too_large(step));

  watch = {by_hand, {}};
  step.status = zoft::status::not_finite;
  CHECK(watch.too_large(step));

  const zoft::engine plain = zoft::mezo({});
  watch = {plain, {}};
  step.status = zoft::status::ok;
  bool seen = false;
  for (int i = 0; i < 64; ++i) {
    step.probe_loss = i % 2;
    seen = watch.too_large(step);
    CHECK(seen == (i == 63));
  }

  // Slopes that are noise alone foretell nothing.
  zoft::autotune_report found;
  found.epsilon = 1;
  found.noise.value = 3 * std::sqrt(2.0);
  found.noise.verdict = zoft::table_verdict::noise;
  watch = {plain, found};
  for (int i = 0; i < 200; ++i) {
    step.probe_loss = i % 2;
    CHECK(!watch.too_large(step));
  }
}
