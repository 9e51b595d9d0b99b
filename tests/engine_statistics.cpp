// The estimate as a random vector: for a quadratic it is unbiased, and its variance falls as 1/q.
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "core_support.hpp"

using namespace core_test;

namespace {

constexpr std::size_t n = 8;
constexpr int trials = 4000;
const std::vector<double> slope{1, -2, 0.5, 3, 0, -0.25, 1.5, 0.1};

// gᵀx + ½ Σ hᵢⱼ xᵢxⱼ with h as for a chain: its gradient at 0 is g.
double quadratic(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    sum += slope[i] * x[i] + static_cast<double>(i + 1) * x[i] * x[i];
    if (i > 0) sum -= 0.5 * x[i] * x[i - 1];
  }
  return sum;
}

struct moments {
  std::vector<double> mean;              // of ĝ
  double error = 0, error_variance = 0;  // of |ĝ − g|², over the trials
};

template <class Sampler, class Estimator>
moments estimate(const Sampler& sampler, const Estimator& estimator) {
  zoft::engine tuner{sampler, estimator, zoft::full{}, zoft::sgd{.learning_rate = 1}, zoft::seed{2024}};
  moments m{std::vector<double>(n, 0.0)};
  double squares = 0;
  for (int t = 0; t < trials; ++t) {
    std::vector<double> x(n, 0.0);
    tuner.step(std::span(x), quadratic);
    double error = 0;
    for (std::size_t i = 0; i < n; ++i) {
      m.mean[i] -= x[i] / trials;
      error += (-x[i] - slope[i]) * (-x[i] - slope[i]);
    }
    m.error += error / trials;
    squares += error * error / trials;
  }
  m.error_variance = squares - m.error * m.error;
  return m;
}

double squared_slope() {
  double sum = 0;
  for (const double g : slope) sum += g * g;
  return sum;
}

// E (zᵀg·zᵢ − gᵢ)² is |g|² + gᵢ² for gaussian z, and |g|² − gᵢ² for signs; a mean of q such has a q-th of it.
template <class Sampler, class Estimator>
void check_two_moments(const Sampler& sampler, const Estimator& estimator, double sign_of_fourth) {
  CAPTURE(estimator.queries);
  const moments m = estimate(sampler, estimator);
  const double q = static_cast<double>(estimator.queries), g2 = squared_slope();
  for (std::size_t i = 0; i < n; ++i) {
    const double variance = (g2 + sign_of_fourth * slope[i] * slope[i]) / q;
    CHECK(std::abs(m.mean[i] - slope[i]) < 5 * std::sqrt(variance / trials));
  }
  const double expected = (n + sign_of_fourth) * g2 / q;
  CHECK(std::abs(m.error - expected) < 5 * std::sqrt(m.error_variance / trials));
}

}  // namespace

TEST_CASE("two_point: unbiased for a quadratic, with a variance that falls as 1/q", "[engine]") {
  for (const std::size_t q : {1u, 4u, 16u}) {
    check_two_moments(zoft::gaussian{}, zoft::two_point{.epsilon = 1e-3, .queries = q}, 1);
    if (q < 16) check_two_moments(zoft::rademacher{}, zoft::two_point{.epsilon = 1e-3, .queries = q}, -1);
  }
}

TEST_CASE("one_sided: the same where ε is small", "[engine]") {
  // The curvature's part of a coefficient is of order ε: here 1e-5 of the slope's, far below the bounds.
  for (const std::size_t q : {1u, 4u}) {
    check_two_moments(zoft::gaussian{}, zoft::one_sided{.epsilon = 1e-6, .queries = q}, 1);
    check_two_moments(zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-6, .queries = q}, -1);
  }
}

TEST_CASE("two_point: ε does not matter for a quadratic, however large", "[engine]") {
  const auto after = [](double epsilon) {
    zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = epsilon, .queries = 2}, zoft::full{},
                       zoft::sgd{.learning_rate = 1}, zoft::seed{1}};
    std::vector<double> x(n, 0.0);
    tuner.step(std::span(x), quadratic);
    return x;
  };
  const auto small = after(1e-3), large = after(100);
  for (std::size_t i = 0; i < n; ++i) CHECK(small[i] == Approx(large[i]).epsilon(1e-9));
}
