#include <limits>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/uniform.hpp>
#include <zoft/tuning/noise_level.hpp>

#include "autotune_support.hpp"

namespace noise_level_tests {

using namespace core_test;
using autotune_test::check_factor;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The k-th of a run of independent errors of variance 1: gaussian, or uniform.
double error(std::uint32_t k, bool uniform, std::uint64_t seed) {
  const zoft::direction d{seed, k, 0};
  return uniform ? noise<double>(zoft::uniform{}, d, 1)[0] : noise<double>(zoft::gaussian{}, d, 1)[0];
}

}  // namespace

TEST_CASE("noise_of: the standard deviation of errors on smooth functions", "[autotune]") {
  for (const bool uniform : {false, true})
    for (const double sigma : {1e-6, 1e-3})
      for (std::uint32_t seed = 0; seed < 25; ++seed) {
        std::uint32_t call = 0;
        const auto f = [&](double t) {
          return std::exp(std::sin(t + 1)) + t * t + sigma * error(call++, uniform, seed);
        };
        const auto found = zoft::measure_noise(f, 0x1p-24);
        REQUIRE(found.verdict == zoft::table_verdict::noise);
        CHECK(call <= 18);
        check_factor(found.value, sigma, 4);
      }
}

TEST_CASE("noise_of: each order estimates the variance without bias", "[autotune]") {
  // The mean over many tables of values that are errors and nothing else: σ₁² = Σd²/2m has mean σ², and its relative
  // variance is below 1.
  double squares = 0;
  int tables = 0;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    std::vector<double> values = noise<double>(zoft::gaussian{}, {5, i, 0}, 9);
    const auto found = zoft::noise_of(values);
    if (found.order != 1) continue;
    squares += found.value * found.value;
    ++tables;
  }
  // Tables whose later orders disagree with the first are left out, which moves the mean by little.
  CHECK(tables > 1900);
  CHECK(squares / tables == Approx(1).margin(5 / std::sqrt(tables)));

  // A polynomial of degree k − 1 is gone in the k-th differences: what is left are the errors.
  std::vector<double> values = noise<double>(zoft::gaussian{}, {5, 1, 1}, 9);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += 1e4 * std::pow(static_cast<double>(i) - 4, 3);
  const auto found = zoft::noise_of(values);
  CHECK(found.verdict == zoft::table_verdict::noise);
  CHECK(found.order == 4);
  check_factor(found.value, 1, 4);
}

TEST_CASE("noise_of: the rounding errors of a sum in float", "[autotune]") {
  // The truth is the deviation from the same sum in double, over many points close together.
  const auto terms = noise<float>(zoft::gaussian{}, {3, 0, 0}, 1000);
  const auto both = [&](double t) {
    float sum = 0;
    double exact = 0;
    for (const float v : terms) {
      const float term = v * v + static_cast<float>(t) * v;
      sum += term;
      exact += static_cast<double>(term);
    }
    return std::pair(static_cast<double>(sum), exact);
  };
  double first = 0, second = 0;
  constexpr int points = 1000;
  for (int i = 0; i < points; ++i) {
    const auto [rounded, exact] = both(1e-4 * i);
    first += (rounded - exact) / points;
    second += (rounded - exact) * (rounded - exact) / points;
  }
  const auto found = zoft::measure_noise([&](double t) { return both(t).first; }, 0x1p-12);
  CHECK(found.verdict == zoft::table_verdict::noise);
  check_factor(found.value, std::sqrt(second - first * first), 4);
}

TEST_CASE("noise_of: a quantised loss is noisy by 1/√12 of its quantum", "[autotune]") {
  for (const double quantum : {1e-1, 1e-3, 1e-5}) {
    const auto f = [&](double t) { return quantum * std::round((2 + 3 * t + std::sin(t)) / quantum); };
    const auto found = zoft::measure_noise(f, 0x1p-26);
    CHECK(found.spacing > 0x1p-26);  // where the points began they were all equal
    CHECK(found.verdict == zoft::table_verdict::noise);
    check_factor(found.value, quantum / std::sqrt(12.0), 4);
  }
}

TEST_CASE("noise_of: a quantised loss that varies within the spacing at which it first looks noisy", "[autotune]") {
  // Seen 1 apart these are waves, and 1/64 apart constant; in between, rounding shows.
  const auto f = [](double t) { return 0x1p-7 * std::round((1.3 + 0.1 * std::sin(2 * t + 1.5)) / 0x1p-7); };
  const auto found = zoft::measure_noise(f, 0x1p-12);
  CHECK(found.verdict == zoft::table_verdict::noise);
  CHECK(found.spacing < 1);
  check_factor(found.value, 0x1p-7 / std::sqrt(12.0), 4);
}

TEST_CASE("noise_of: functions without noise, and without finite values", "[autotune]") {
  const auto line = zoft::measure_noise([](double t) { return 3 + 5 * t; }, 0.25);
  CHECK(line.verdict == zoft::table_verdict::exact);
  CHECK(line.order == 2);
  CHECK(line.value == 0);
  const auto parabola = zoft::measure_noise([](double t) { return 7 * t * t - t; }, 0.25);
  CHECK(parabola.verdict == zoft::table_verdict::exact);
  CHECK(parabola.order == 3);
  const auto same = zoft::measure_noise([](double) { return 0.1; }, 0.25);
  CHECK(same.constant());
  CHECK(same.value == 0);
  const auto nothing = zoft::measure_noise([](double t) { return t == 0 ? 1 : not_a_number; }, 0.25);
  CHECK(nothing.verdict == zoft::table_verdict::too_far);
  // Waves far shorter than the points' distance look like noise, but not from nearby.
  const auto blur = zoft::measure_noise([](double t) { return 10 + std::sin(300 * t + 1); }, 0.25);
  CHECK(blur.spacing < 1e-3);
  CHECK(blur.value < 1e-13);
  // Points that begin so far apart that the function itself is seen come closer together.
  const auto smooth = zoft::measure_noise([](double t) { return std::exp(t); }, 0.25);
  CHECK(smooth.spacing < 0.25);
  CHECK(smooth.value < 1e-15);
}

}  // namespace noise_level_tests
