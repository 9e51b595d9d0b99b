// Where points of a step are outside of where the function can be evaluated: of bounds, or among losses not finite.
#include <cmath>
#include <limits>
#include <zoft/minimize.hpp>

#include "autotune_support.hpp"

namespace minimize_edges_tests {

using namespace core_test;

double around_one(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += (v - 1) * (v - 1);
  return sum;
}

/// ½Σ λᵢ(xᵢ − ½sin i)², λ from 1 to 1000. The minimum is 0.
double stretched(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    sum += 0.5 * std::pow(1e3, static_cast<double>(i) / static_cast<double>(x.size() - 1)) *
           std::pow(x[i] - 0.5 * std::sin(static_cast<double>(i)), 2);
  return sum;
}

constexpr double none = std::numeric_limits<double>::quiet_NaN();

/// f where x₁ + x₂ + x₃ ≤ 3, and counts where not.
template <class F>
struct fenced {
  F f;
  std::size_t outside = 0;
  double operator()(std::span<const double> x) {
    if (x[1] + x[2] + x[3] <= 3) return f(x);
    ++outside;
    return none;
  }
};
template <class F>
fenced(F) -> fenced<F>;

}  // namespace minimize_edges_tests

using namespace minimize_edges_tests;

TEST_CASE("minimize: a minimum within bounds is not missed by an ε that reaches over them", "[minimize]") {
  for (const double upper : {2.0, 1.5, 1.05}) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      CAPTURE(upper, seed);
      std::vector<double> x(10, 0.5);
      const auto r = zoft::minimize(std::span(x), around_one,
                                    {.seed = seed, .evaluations = 20'000, .lower = {-1}, .upper = {upper}});
      CHECK(r.loss < 1e-10);
    }
  }
  // With noise, ε is not halved later on, but begins as an eighth of the box.
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    CAPTURE(seed);
    std::vector<double> x(10, 0.5);
    const auto r = zoft::minimize(std::span(x), autotune_test::with_noise(around_one, 0.01, seed),
                                  {.seed = seed, .evaluations = 20'000, .lower = {-1}, .upper = {2}});
    CHECK(r.epsilon <= 3.0 / 8);
    CHECK(around_one(x) < 0.005);
  }
}

TEST_CASE("minimize: an ε that was given stays, at bounds too", "[minimize]") {
  std::vector<double> x(10, 0.5);
  const auto r =
      zoft::minimize(std::span(x), around_one, {.epsilon = 0.5, .evaluations = 20'000, .lower = {-1}, .upper = {1.5}});
  CHECK(r.epsilon == 0.5);
}

TEST_CASE("minimize: starts and ends near losses that are not finite", "[minimize]") {
  // Without the fence, runs end at 0.002 (no noise) and 0.1 to 0.7 (noise 1). Beside the fence, rates that suit the
  // rest lead beyond it, so that with noise the run gets there slowly. From the start the loss can fall by 3,867.
  for (std::uint64_t seed = 0; seed < 4; ++seed)
    for (const double start : {-1.0, 0.95}) {
      CAPTURE(seed, start);
      std::vector<double> x(50, -1.0);
      x[1] = x[2] = x[3] = start;
      auto y = x;
      fenced exact{stretched};
      auto r = zoft::minimize(std::span(x), exact, {.seed = seed, .evaluations = 50'000});
      CHECK(r.loss < 1);
      CHECK(r.not_finite == exact.outside);

      fenced noisy{autotune_test::with_noise(stretched, 1, seed)};
      r = zoft::minimize(std::span(y), noisy, {.seed = seed, .evaluations = 50'000});
      CHECK(stretched(y) < (start < 0 ? 10 : 200));
      CHECK(r.not_finite == noisy.outside);
    }
}

TEST_CASE("minimize: a loss that is not finite once in a while is left out", "[minimize]") {
  // Each evaluation of the start, of tuning, of steps and of looks in turn.
  for (const std::size_t when : {0u, 1u, 20u, 50u, 80u, 150u, 300u, 1000u, 4990u}) {
    CAPTURE(when);
    std::vector<double> x(20, 2.0);
    std::size_t calls = 0;
    auto f = autotune_test::with_noise(around_one, 0.1, 5);
    const auto r =
        zoft::minimize(std::span(x), [&](std::span<const double> at) { return calls++ == when ? none : f(at); },
                       {.evaluations = 5000});
    CHECK(r.evaluations == calls);
    CHECK(r.not_finite == 1);
    CHECK(around_one(x) < 0.1);
  }
  // One in fifty, all along.
  std::vector<double> x(20, 2.0);
  std::size_t calls = 0, failed = 0;
  auto f = autotune_test::with_noise(around_one, 0.1, 6);
  const auto r = zoft::minimize(std::span(x),
                                [&](std::span<const double> at) { return calls++ % 50 == 17 ? ++failed, none : f(at); },
                                {.evaluations = 20'000});
  CHECK(r.not_finite == failed);
  CHECK(std::isfinite(r.loss));
  CHECK(around_one(x) < 0.1);
}
