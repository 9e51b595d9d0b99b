// The ε that autotune finds.
#include <limits>
#include <zoft/autotune.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/mezo.hpp>

#include "autotune_support.hpp"

using namespace core_test;
using namespace autotune_test;

namespace {

auto one_sided_tuner(std::uint64_t seed) {
  return zoft::engine{zoft::gaussian{}, zoft::one_sided{.queries = 2}, zoft::full{}, zoft::sgd{}, zoft::seed{seed}};
}

/// rms over directions of what an estimator's slope is wrong by, for the gradient of waves.
template <class Tuner, class F>
double error_of_slope(Tuner tuner, double epsilon, std::vector<double> x, F f) {
  tuner.estimator().epsilon = epsilon;
  tuner.optimizer().learning_rate = 0;
  double squares = 0;
  constexpr std::uint32_t steps = 100;
  for (std::uint32_t step = 0; step < steps; ++step) {
    const auto slopes = tuner.step(std::span(x), f).projected_gradients;
    for (std::uint32_t i = 0; i < slopes.size(); ++i) {
      const auto z = noise<double>(tuner.sampler(), tuner.direction(step, i), x.size());
      double truth = 0;
      for (std::size_t j = 0; j < x.size(); ++j) truth += waves<double>::weight(j) * std::sin(x[j] + 0.5) * z[j];
      squares += (slopes[i] - truth) * (slopes[i] - truth) / (steps * static_cast<double>(slopes.size()));
    }
  }
  return std::sqrt(squares);
}

template <class Tuner>
void check_epsilon(const Tuner& tuner, double sigma) {
  CAPTURE(sigma);
  const auto x = start<double>(30);
  auto tuned = tuner;
  auto y = x;
  const auto found = zoft::autotune(tuned, std::span(y), with_noise(waves<double>{}, sigma));
  double best = 0, least = std::numeric_limits<double>::infinity();
  for (double epsilon = 1e-5; epsilon < 3; epsilon *= 1.25) {
    const double now = error_of_slope(tuner, epsilon, x, with_noise(waves<double>{}, sigma));
    if (now < least) {
      least = now;
      best = epsilon;
    }
  }
  CHECK(found.limited_by == zoft::epsilon_limit::balance);
  check_factor(found.epsilon, best, 3);
  // What matters is the error, which is flat around its least.
  CHECK(error_of_slope(tuner, found.epsilon, x, with_noise(waves<double>{}, sigma)) < 3 * least);
}

}  // namespace

TEST_CASE("autotune: ε is where the slope's error is least, for two_point and one_sided", "[autotune]") {
  for (const double sigma : {1e-9, 1e-6, 1e-4})
    for (const std::uint64_t seed : {1u, 2u}) {
      check_epsilon(zoft::mezo({.queries = 2, .seed = seed}), sigma);
      check_epsilon(one_sided_tuner(seed), sigma);
    }
}

TEST_CASE("autotune: ε balances noise and truncation by the formula", "[autotune]") {
  // A cubic has the same φ‴ everywhere, here 6·Σ zᵢ³/10 along z.
  const auto cubic = [](std::span<const double> x) {
    double sum = 0;
    for (const double v : x) sum += v * v + v * v * v / 10;
    return sum;
  };
  auto x = start<double>(8);
  for (const double sigma : {1e-8, 1e-5}) {
    auto central = zoft::mezo({.seed = 4});
    const auto two = zoft::autotune(central, std::span(x), with_noise(cubic, sigma));
    double squares = 0;
    for (std::uint32_t step = 0; step < 4; ++step) {
      double third = 0;
      for (const double z : noise<double>(zoft::gaussian{}, central.direction(step, 0), x.size()))
        third += 0.6 * z * z * z;
      squares += third * third / 4;
    }
    CHECK(two.central);
    CHECK(two.higher_derivative == Approx(std::sqrt(squares)).epsilon(0.1));
    CHECK(two.epsilon == Approx(std::cbrt(3 * two.noise.value / two.higher_derivative)));
    CHECK(central.estimator().epsilon == two.epsilon);

    auto forward = one_sided_tuner(4);
    const auto one = zoft::autotune(forward, std::span(x), with_noise(cubic, sigma));
    CHECK_FALSE(one.central);
    CHECK(one.epsilon == Approx(std::pow(8, 0.25) * std::sqrt(one.noise.value / one.higher_derivative)));
    CHECK(one.higher_derivative == Approx(one.curvature).epsilon(0.5));  // an rms and a mean over few directions
  }
}

TEST_CASE("autotune: a truncation that vanishes at the start alone is still seen", "[autotune]") {
  // Σ log cosh is even, so that slopes at 0 have no φ‴; behind the first step they have.
  const auto f = [](std::span<const double> x) {
    double sum = 0;
    for (const double v : x) sum += std::log(std::cosh(v)) - 0.3 * v;
    return sum;
  };
  std::vector<double> x(20, 0.0);
  auto tuner = zoft::mezo({.seed = 3});
  const auto found = zoft::autotune(tuner, std::span(x), f);
  CHECK(found.limited_by == zoft::epsilon_limit::balance);
  CHECK(found.epsilon < 1e-3);
}

TEST_CASE("autotune: in bfloat16 ε stays above what rounding leaves of a step", "[autotune]") {
  auto x = start<zoft::bfloat16>(40);
  auto tuner = zoft::mezo({.seed = 1});
  const auto found = zoft::autotune(tuner, std::span(x), waves<zoft::bfloat16>{});
  for (int step = 0; step < 300; ++step) tuner.step(std::span(x), waves<zoft::bfloat16>{});
  CHECK(waves<zoft::bfloat16>{}(x) < 0.1 * found.loss);
}

TEST_CASE("autotune: far larger parameters that the loss does not see", "[autotune]") {
  // From radii at which the waves are only seen as a blur the search finds down to them, and ε stops at eight rounding
  // errors of the parameters' rms.
  std::vector<float> x(16, 0.0f);
  x[0] = 16384;
  auto tuner = zoft::mezo({.seed = 1});
  const auto found =
      zoft::autotune(tuner, std::span(x), [](std::span<const float> v) { return waves<float>{}(v.subspan(1)); });
  CHECK(found.higher_derivative < 1000);
  CHECK(found.limited_by == zoft::epsilon_limit::resolution);
  CHECK(found.epsilon == 8 * 0x1p-24 * 4096);
}
