// Estimates as random vectors: their mean, and their spread about it.
#include <numbers>
#include <tuple>
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/evolution.hpp>
#include <zoft/estimator/forward_gradient.hpp>
#include <zoft/estimator/hessian_informed.hpp>
#include <zoft/estimator/kernel.hpp>
#include <zoft/estimator/leave_one_out.hpp>
#include <zoft/estimator/normalised.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/per_example.hpp>
#include <zoft/estimator/residual.hpp>
#include <zoft/estimator/standardised.hpp>
#include <zoft/estimator/standardised_per_example.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>

#include "estimator_support.hpp"

using namespace core_test;

namespace {

constexpr std::size_t n = 8;
const std::vector<double> slope{1, -2, 0.5, 3, 0, -0.25, 1.5, 0.1};

double squared_slope() {
  double sum = 0;
  for (const double g : slope) sum += g * g;
  return sum;
}

// gᵀx, with a chain's second derivatives or third ones. Its gradient at 0 is g.
const auto linear = [](const auto& x) {
  auto sum = slope[0] * x[0];
  for (std::size_t i = 1; i < n; ++i) sum += slope[i] * x[i];
  return sum;
};
const auto quadratic = [](const auto& x) {
  auto sum = linear(x);
  for (std::size_t i = 0; i < n; ++i) {
    sum += static_cast<double>(i + 1) * x[i] * x[i];
    if (i > 0) sum -= 0.5 * x[i] * x[i - 1];
  }
  return sum;
};
const auto cubic = [](const auto& x) {
  auto sum = linear(x);
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i] * x[i];
  return sum;
};

struct moments {
  std::vector<double> mean, variance;    // of ĝ, by element
  double error = 0, error_variance = 0;  // of |ĝ − g|²
};

/// ĝ at 0 of `trials` runs, each in its step `last`; the steps before it see the same point, as the rate is 0.
template <class Estimator, class F>
moments estimate(const Estimator& estimator, F f, int trials, std::uint32_t last = 0) {
  moments m{std::vector<double>(n, 0.0), std::vector<double>(n, 0.0)};
  double squares = 0;
  for (int t = 0; t < trials; ++t) {
    zoft::engine tuner{zoft::gaussian{}, estimator, zoft::full{}, zoft::sgd{.learning_rate = 0},
                       zoft::seed{static_cast<std::uint64_t>(t) + 1}};
    std::vector<double> x(n, 0.0);
    for (std::uint32_t step = 0; step <= last; ++step) {
      if (step == last) tuner.optimizer().learning_rate = 1;
      if constexpr (zoft::tangent_estimator<Estimator>)
        tuner.step(std::span(x), [&](std::span<const zoft::dual<double>> v) { return f(v); });
      else if constexpr (zoft::estimator_of_examples<Estimator>)
        tuner.step(std::span(x), [&](std::span<const double> v, zoft::example) { return f(v); });
      else
        tuner.step(std::span(x), [&](std::span<const double> v) { return f(v); });
    }
    double error = 0;
    for (std::size_t i = 0; i < n; ++i) {
      m.mean[i] -= x[i] / trials;
      m.variance[i] += x[i] * x[i] / trials;
      error += (-x[i] - slope[i]) * (-x[i] - slope[i]);
    }
    m.error += error / trials;
    squares += error * error / trials;
  }
  for (std::size_t i = 0; i < n; ++i) m.variance[i] -= m.mean[i] * m.mean[i];
  m.error_variance = squares - m.error * m.error;
  return m;
}

/// ĝ is `along` times g on average, and |ĝ − g|² is `error`.
void check_mean(const moments& m, int trials, double along) {
  for (std::size_t i = 0; i < n; ++i) {
    CAPTURE(i);
    CHECK(std::abs(m.mean[i] - along * slope[i]) < 5 * std::sqrt(m.variance[i] / trials));
  }
}
void check_unbiased(const moments& m, int trials, double error) {
  check_mean(m, trials, 1);
  CHECK(std::abs(m.error - error) < 5 * std::sqrt(m.error_variance / trials));
}

/// Of q gaussians with standard deviation s about their own mean, (Σ u²)/(q·s) on average: Σu² = (q − 1)s² + qū², and ū
/// is independent of s. `freedom` is what s divides by.
double mean_of_standardised(std::size_t queries, double freedom) {
  const auto q = static_cast<double>(queries);
  // χ with q − 1 degrees of freedom: E χ and E 1/χ.
  const double chi = std::numbers::sqrt2 * std::exp(std::lgamma(q / 2) - std::lgamma((q - 1) / 2));
  const double inverse = std::exp(std::lgamma((q - 2) / 2) - std::lgamma((q - 1) / 2)) / std::numbers::sqrt2;
  return (chi + inverse) * std::sqrt(freedom) / q;
}

}  // namespace

TEST_CASE("estimators: unbiased for a quadratic, with an error that falls as 1/q", "[statistics]") {
  constexpr int trials = 2000;
  const double g2 = squared_slope();
  // E |(zᵀg)z − g|² = (n + 1)|g|² for gaussian z, and the curvature adds what falls with ε.
  for (const std::size_t q : {1u, 4u}) {
    CAPTURE(q);
    const double expected = (n + 1) * g2 / static_cast<double>(q);
    check_unbiased(estimate(zoft::hessian_informed{.epsilon = 1e-3, .queries = q}, quadratic, trials), trials,
                   expected);
    check_unbiased(estimate(zoft::forward_gradient{.queries = q}, quadratic, trials), trials, expected);
    // A covariance over q + 1 samples has q degrees of freedom.
    check_unbiased(estimate(zoft::leave_one_out{.epsilon = 1e-6, .queries = q + 1}, quadratic, trials), trials,
                   expected);
    // E (rK)²|zᵀg|²|z|² − |g|² = (25/4)(n + 2)|g|² − |g|².
    check_unbiased(estimate(zoft::kernel{.epsilon = 1e-3, .queries = q}, quadratic, trials), trials,
                   (6.25 * (n + 2) - 1) * g2 / static_cast<double>(q));
  }
  // (zᵀg − z′ᵀg)z with z′ of the step before: (n + 2)|g|² − |g|² and n|g|².
  check_unbiased(estimate(zoft::residual{.epsilon = 1e-6}, quadratic, trials, 1), trials, (2 * n + 1) * g2);
}

TEST_CASE("leave_one_out: the mean of all losses in the others' place is (q − 1)/q of the gradient", "[statistics]") {
  struct mean_of_all : zoft::leave_one_out {
    void coefficients(const zoft::step_view& view, std::span<double> c) const {
      leave_one_out::coefficients(view, c);
      for (double& value : c) value *= static_cast<double>(queries - 1) / static_cast<double>(queries);
    }
  };
  constexpr int trials = 2000;
  mean_of_all faulty;
  faulty.epsilon = 1e-6;
  faulty.queries = 2;
  const auto m = estimate(faulty, linear, trials);
  check_mean(m, trials, 0.5);
  CHECK(std::abs(m.mean[3] - slope[3]) > 5 * std::sqrt(m.variance[3] / trials));
}

TEST_CASE("kernel: without the bias that two_point has where third derivatives are large", "[statistics]") {
  // Along z the third derivative is 6Σz³, and E zⱼ·ε²Σz³ is 3ε².
  constexpr int trials = 8000;
  const double epsilon = 0.7;
  const auto biased = estimate(zoft::two_point{.epsilon = epsilon}, cubic, trials);
  for (std::size_t i = 0; i < n; ++i) {
    const double deviation = std::sqrt(biased.variance[i] / trials);
    CHECK(std::abs(biased.mean[i] - (slope[i] + 3 * epsilon * epsilon)) < 5 * deviation);
    CHECK(std::abs(biased.mean[i] - slope[i]) > 5 * deviation);
  }
  const auto m = estimate(zoft::kernel{.epsilon = epsilon}, cubic, trials);
  check_mean(m, trials, 1);
  // C multiplies the whole.
  check_mean(estimate(zoft::kernel{.epsilon = epsilon, .scale = 3}, cubic, trials), trials, 3);
}

TEST_CASE("standardised: the gradient's direction, in a length that is known", "[statistics]") {
  constexpr int trials = 2000;
  const double length = std::sqrt(squared_slope());
  for (const std::size_t q : {4u, 9u}) {
    const double expected = mean_of_standardised(q, static_cast<double>(q - 1)) / length;
    for (const double scale : {1.0, 1e6}) {
      const auto scaled = [&](std::span<const double> x) { return scale * linear(x); };
      zoft::standardised e{.epsilon = 0.25, .queries = q};
      check_mean(estimate(e, scaled, trials), trials, expected / 0.25);
      e.form = zoft::standardisation::released;
      check_mean(estimate(e, scaled, trials), trials, expected);
    }
  }
}

TEST_CASE("evolution: the gradient's direction, whatever the losses' scale", "[statistics]") {
  constexpr int trials = 2000;
  const double length = std::sqrt(squared_slope());
  for (const double scale : {1.0, 1e-6}) {
    const auto scaled = [&](std::span<const double> x) { return scale * linear(x); };
    const auto run = [&](std::size_t q, zoft::fitness f) {
      return estimate(zoft::evolution{.epsilon = 0.5, .queries = q, .fitness = f}, scaled, trials);
    };
    // One pair: z-scores are ±1 and ranks ±1/2, so that c is the slope's sign over ε, or half of it; E |u| = √(2/π).
    const double of_sign = std::sqrt(2 / std::numbers::pi) / length / 0.5;
    check_mean(run(1, zoft::fitness::z_score), trials, of_sign);
    check_mean(run(1, zoft::fitness::centred_rank), trials, of_sign / 2);
    // Antithetic losses have mean 0, and σ is the root mean square of q slopes: E (Σu²)/(q·rms) = E χ_q/√q.
    const double chi = std::numbers::sqrt2 * std::exp(std::lgamma(3.5) - std::lgamma(3.0));
    check_mean(run(6, zoft::fitness::z_score), trials, chi / std::sqrt(6.0) / length / 0.5);
  }
}

TEST_CASE("standardised_per_example: the mean gradient's direction, in a length that is known", "[statistics]") {
  // All examples have the same loss: δᵦ = 2ε|g|u, over 2ε·σ.
  constexpr int trials = 2000;
  const double expected = mean_of_standardised(5, 5) / std::sqrt(squared_slope()) / (2 * 0.25);
  check_mean(
      estimate(zoft::standardised_per_example{.epsilon = 0.25, .queries = 5, .stabiliser = 1e-12}, linear, trials),
      trials, expected);
}

TEST_CASE("normalised: the gradient's direction, in a length that is known", "[statistics]") {
  constexpr int trials = 2000;
  const double expected = mean_of_standardised(5, 5) / std::sqrt(squared_slope());
  check_mean(estimate(zoft::normalised<zoft::two_point>{.of = {.epsilon = 0.25, .queries = 5}, .stabiliser = 1e-12},
                      linear, trials),
             trials, expected);
}

TEST_CASE("per_example: the mean gradient, with the variance of examples times directions", "[statistics]") {
  // Example b's gradient is scale_b·g, plus what the examples' mean does not have. Of gaussian z, ĝᵢ of one direction
  // has the variance |g_b|² + g_bᵢ², and ĝ's is the sum over all directions, over (Bq)².
  constexpr std::size_t batch = 3, q = 4;
  constexpr int trials = 4000;
  const auto gradient = [](std::size_t b, std::size_t i) {
    const double own = b == 0 ? 2.0 : b == 1 ? -2.0 : 0.0;
    return slope[i] + own * static_cast<double>(i % 3);
  };
  std::vector<double> mean(n), variance(n);
  for (int t = 0; t < trials; ++t) {
    zoft::engine tuner{zoft::gaussian{},
                       zoft::per_example<zoft::one_sided>{.each = {.epsilon = 0.25, .queries = q}, .examples = batch},
                       zoft::full{}, zoft::sgd{.learning_rate = 1}, zoft::seed{static_cast<std::uint64_t>(t) + 1}};
    std::vector<double> x(n, 0.0);
    const auto report = tuner.step(std::span(x), [&](zoft::candidates<double> c, zoft::example_losses losses) {
      for (std::size_t k = 0; k < c.size(); ++k) {
        losses[k] = 5.0 * static_cast<double>(k % batch);
        for (std::size_t i = 0; i < n; ++i) losses[k] += gradient(k % batch, i) * c[k][i];
      }
    });
    CHECK(report.evaluations == q + 1);
    for (std::size_t i = 0; i < n; ++i) {
      mean[i] -= x[i] / trials;
      variance[i] += (x[i] + slope[i]) * (x[i] + slope[i]) / trials;
    }
  }
  double all = 0, expected = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double own = 0;
    for (std::size_t b = 0; b < batch; ++b) {
      own += gradient(b, i) * gradient(b, i);
      for (std::size_t j = 0; j < n; ++j) own += gradient(b, j) * gradient(b, j);
    }
    own /= static_cast<double>(batch * batch * q);
    CHECK(std::abs(mean[i] - slope[i]) < 5 * std::sqrt(own / trials));
    all += variance[i];
    expected += own;
  }
  // Of one direction E|X|⁴ is 3(n + 4)(n + 6)/(n + 2)² ≈ 5 times (E|X|²)², so that of the mean of 12 the square's
  // variance is at most 3 + 5/12 − 1 times its squared mean.
  CHECK(std::abs(all - expected) < 5 * expected * std::sqrt(2.5 / trials));
}

TEST_CASE("estimators: exact slopes of a linear function, at any radius", "[estimator]") {
  const auto check = [](const auto& estimator) {
    zoft::engine tuner{zoft::gaussian{}, estimator, zoft::full{}, zoft::sgd{.learning_rate = 0}, zoft::seed{6}};
    std::vector<double> x(n, 0.0);
    const auto report = tuner.step(std::span(x), [](std::span<const double> v) { return linear(v); });
    for (std::uint32_t i = 0; i < estimator.queries; ++i) {
      const auto z = noise<double>(zoft::gaussian{}, tuner.direction(0, i), n);
      CHECK(report.projected_gradients[i] == Approx(linear(z)).epsilon(1e-10));
    }
  };
  for (const double epsilon : {1e-3, 1.0, 1e3}) {
    check(zoft::two_point{.epsilon = epsilon, .queries = 3});
    check(zoft::one_sided{.epsilon = epsilon, .queries = 3});
    check(zoft::hessian_informed{.epsilon = epsilon, .queries = 3});
  }
}
