// Optimizers that keep dense state, or none, against textbook loops in double.
#include <zoft/method/meazo.hpp>
#include <zoft/method/mezo_adam.hpp>
#include <zoft/method/zo_adamm.hpp>
#include <zoft/method/zo_sign.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/schedule/linear.hpp>

#include "optimizer_support.hpp"

namespace optimizers_dense_tests {

using namespace optimizer_test;

static_assert(zoft::optimizer<zoft::adam> && zoft::optimizer<zoft::amsgrad> && zoft::optimizer<zoft::sign_of_slopes> &&
              zoft::optimizer<zoft::sign_of_estimate> && zoft::optimizer<zoft::adaptive_scalar>);

namespace {

const auto over = zoft::linear(150, 10);
constexpr double rate = 1e-2, lambda = 0.3;

double sign(double v) { return v > 0 ? 1 : v < 0 ? -1 : 0; }

}  // namespace

TEST_CASE("adam: 100 steps are those of the textbook", "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  for (const auto decays : {zoft::all, zoft::matrices, zoft::vectors, zoft::biases}) {
    const auto decay = decay_of(tensors, lambda, decays);
    std::vector<double> m(n, 0.0), v(n, 0.0);
    int t = 0;
    check_same(zoft::adam{.learning_rate = rate,
                          .beta1 = 0.8,
                          .beta2 = 0.97,
                          .stability = 1e-3,
                          .decay = lambda,
                          .decays = decays,
                          .schedule = over},
               zoft::full{.layout = tensors},
               [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t step) {
                 ++t;
                 for (std::size_t i = 0; i < n; ++i) {
                   m[i] = 0.8 * m[i] + 0.2 * g[i];
                   v[i] = 0.97 * v[i] + 0.03 * g[i] * g[i];
                   const double m_hat = m[i] / (1 - std::pow(0.8, t)), v_hat = v[i] / (1 - std::pow(0.97, t));
                   x[i] -= rate * over(step) * (m_hat / (std::sqrt(v_hat) + 1e-3) + decay[i] * x[i]);
                 }
               });
  }
}

TEST_CASE("adam: the first step moves each parameter by the rate, however steep", "[optimizer]") {
  for (const double steepness : {1e-3, 1.0, 1e3}) {
    auto tuner = zoft::mezo_adam({.learning_rate = 0.25, .seed = 3});
    std::vector<double> x(3000, 0.0);
    const auto z = noise<double>(tuner.sampler(), tuner.direction(0, 0), x.size());
    tuner.tell(std::span(x), std::vector<double>{1 + steepness, 1});
    for (std::size_t i = 0; i < x.size(); ++i)
      if (std::abs(z[i]) > 1e-3) REQUIRE(x[i] == Approx(-0.25 * sign(z[i])).epsilon(1e-4));
  }
}

TEST_CASE("amsgrad: 100 steps are those of the textbook", "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const auto decay = decay_of(tensors, lambda, zoft::matrices);
  std::vector<double> m(n, 0.0), v(n, 0.0), most(n, 0.0);
  check_same(zoft::amsgrad{.learning_rate = rate,
                           .beta1 = 0.8,
                           .beta2 = 0.3,
                           .stability = 1e-3,
                           .decay = lambda,
                           .decays = zoft::matrices,
                           .schedule = over},
             zoft::full{.layout = tensors},
             [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t step) {
               for (std::size_t i = 0; i < n; ++i) {
                 m[i] = 0.8 * m[i] + 0.2 * g[i];
                 v[i] = 0.3 * v[i] + 0.7 * g[i] * g[i];
                 most[i] = std::max(most[i], v[i]);
                 x[i] -= rate * over(step) * (m[i] / (std::sqrt(most[i]) + 1e-3) + decay[i] * x[i]);
               }
             });
}

TEST_CASE("momentum with dampening: 100 steps are those of the textbook", "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  for (const double dampening : {0.0, 0.9, 1.0}) {
    const auto decay = decay_of(tensors, lambda, zoft::vectors);
    std::vector<double> m(n, 0.0);
    check_same(zoft::momentum{.learning_rate = rate,
                              .beta = 0.9,
                              .dampening = dampening,
                              .decay = lambda,
                              .decays = zoft::vectors,
                              .schedule = over},
               zoft::full{.layout = tensors},
               [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t step) {
                 for (std::size_t i = 0; i < n; ++i) {
                   m[i] = 0.9 * m[i] + (1 - dampening) * g[i];
                   x[i] -= rate * over(step) * (m[i] + decay[i] * x[i]);
                 }
               });
  }
}

TEST_CASE("sign_of_slopes and sign_of_estimate: 100 steps are those of the textbook, and are not the same",
          "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const auto decay = decay_of(tensors, lambda, zoft::matrices);
  const zoft::sign_of_slopes slopes{.learning_rate = rate, .decay = lambda, .decays = zoft::matrices, .schedule = over};
  check_same(slopes, zoft::full{.layout = tensors},
             [&](std::vector<double>& x, const std::vector<double>&, std::uint32_t step) {
               auto c = coefficients(step);
               for (double& value : c) value = sign(value) / 3;
               const auto g = estimate(step, c, n);
               for (std::size_t i = 0; i < n; ++i) x[i] -= rate * over(step) * (g[i] + decay[i] * x[i]);
             });
  const zoft::sign_of_estimate elements{
      .learning_rate = rate, .decay = lambda, .decays = zoft::matrices, .schedule = over};
  const auto by_element = [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t step) {
    for (std::size_t i = 0; i < n; ++i) x[i] -= rate * over(step) * (sign(g[i]) + decay[i] * x[i]);
  };
  // In double only: an element of ĝ that is nearly 0 has another sign in float.
  CHECK(difference(trained(elements, zoft::full{.layout = tensors}, start<double>(n), 100),
                   dense(start<double>(n), 100, by_element)) < bound<double>());
  CHECK(difference(trained(elements, zoft::full{.layout = tensors}, start<double>(n), 100),
                   trained(slopes, zoft::full{.layout = tensors}, start<double>(n), 100)) > 1e-3);
}

TEST_CASE("sign_of_slopes: the losses' scale does not matter, and equal losses move nothing", "[optimizer]") {
  const auto after = [](double scale) {
    auto tuner = zoft::zo_sign({.learning_rate = 0.5, .queries = 3, .seed = 1});
    std::vector<double> x(100, 0.0);
    tuner.tell(std::span(x), std::vector<double>{scale, -2 * scale, 3 * scale, 0, 0, 3 * scale});
    return x;
  };
  CHECK(bits(after(1e-6)) == bits(after(1e6)));
  CHECK(after(0) == std::vector<double>(100, 0.0));
  // Of the third direction, whose slope is 0, nothing is seen; the other two have a third each.
  const auto x = after(1);
  const auto z0 = noise<double>(zoft::gaussian{}, {1, 0, 0}, 100), z1 = noise<double>(zoft::gaussian{}, {1, 0, 1}, 100);
  for (std::size_t i = 0; i < 100; ++i) REQUIRE(x[i] == Approx(-0.5 * (z0[i] - z1[i]) / 3).epsilon(1e-14));
}

TEST_CASE("sign_of_estimate: every parameter moves by the rate", "[optimizer]") {
  auto tuner = zoft::zo_signsgd({.learning_rate = 0.5, .queries = 2, .seed = 1});
  std::vector<float> x(3000, 0.0f);
  tuner.tell(std::span(x), std::vector<double>{1, 2, 0.25});
  for (const float v : x) REQUIRE(std::abs(v) == 0.5f);
}

TEST_CASE("adaptive_scalar: 100 steps are those of the textbook", "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const auto decay = decay_of(tensors, lambda, zoft::matrices);
  double v = 0;
  int t = 0;
  check_same(zoft::adaptive_scalar{.learning_rate = rate,
                                   .beta = 0.95,
                                   .stability = 1e-3,
                                   .decay = lambda,
                                   .decays = zoft::matrices,
                                   .schedule = over},
             zoft::full{.layout = tensors},
             [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t step) {
               double mean = 0;
               for (const double c : coefficients(step)) mean += 9 * c * c / 3;
               v = 0.95 * v + 0.05 * mean;
               const double root = std::sqrt(v / (1 - std::pow(0.95, ++t))) + 1e-3;
               for (std::size_t i = 0; i < n; ++i) x[i] -= rate * over(step) * (g[i] / root + decay[i] * x[i]);
             });
}

TEST_CASE("adaptive_scalar: the first step is as long as the others", "[optimizer]") {
  // With slopes that are all alike every step is η·z, from the first on, whatever the losses' scale.
  for (const double scale : {1e-4, 1e4}) {
    auto tuner = zoft::meazo({.learning_rate = 0.5, .seed = 1});
    std::vector<double> x(50, 0.0);
    for (std::uint32_t step = 0; step < 20; ++step) {
      const auto before = x;
      tuner.tell(std::span(x), std::vector<double>{scale, -scale});
      const auto z = noise<double>(tuner.sampler(), tuner.direction(step, 0), x.size());
      for (std::size_t i = 0; i < x.size(); ++i)
        REQUIRE(x[i] - before[i] == Approx(-0.5 * z[i]).epsilon(1e-6).margin(1e-12));
    }
  }
}

TEST_CASE("zo_adamm: ĝ is n/μ times a difference along a unit vector", "[optimizer]") {
  const std::size_t n = 400;
  const double mu = 0.05;
  auto tuner = zoft::zo_adamm({.radius = mu, .learning_rate = 1, .beta1 = 0, .beta2 = 0, .queries = 2, .seed = 4}, n);
  std::vector<std::vector<double>> seen;
  std::vector<double> x(n, 0.0);
  tuner.step(std::span(x), [&](std::span<const double> w) {
    seen.emplace_back(w.begin(), w.end());
    return static_cast<double>(seen.size());
  });
  REQUIRE(seen.size() == 3);
  std::vector<double> g(n, 0.0);
  for (std::size_t i = 1; i < 3; ++i) {
    CHECK(std::sqrt(sphere<double>(seen[i])) == Approx(mu).epsilon(1e-6));
    for (std::size_t j = 0; j < n; ++j)
      g[j] += static_cast<double>(n) / (mu * 2) * static_cast<double>(i) * seen[i][j] / mu;
  }
  // Without averages m/√v̂ is g/|g|, up to the stability.
  for (std::size_t j = 0; j < n; ++j) REQUIRE(x[j] == Approx(-g[j] / (std::abs(g[j]) + 1e-8)).epsilon(1e-6));
}

TEST_CASE("dense optimizers: what does not fit is said", "[optimizer]") {
  CHECK(message([] { zoft::momentum{.dampening = 1.5}.check(); }) ==
        "zoft: momentum: dampening is 1.5, and must be at least 0 and at most 1");
  CHECK(message([] { zoft::momentum{.dampening = -1}.check(); }).find("momentum: dampening is -1") == 6);
  CHECK(message([] { zoft::adam{.beta1 = 1}.check(); }) ==
        "zoft: adam: beta1 is 1, and must be at least 0 and below 1");
  CHECK(message([] { zoft::adam{.beta2 = -0.5}.check(); }).find("adam: beta2 is -0.5") == 6);
  CHECK(message([] { zoft::adam{.stability = 0}.check(); }) == "zoft: adam: stability is 0, and must be above 0");
  CHECK(message([] { zoft::amsgrad{.beta1 = 2}.check(); }).find("amsgrad: beta1 is 2") == 6);
  CHECK(message([] { zoft::amsgrad{.beta2 = 2}.check(); }).find("amsgrad: beta2 is 2") == 6);
  CHECK(message([] { zoft::amsgrad{.stability = -1}.check(); }).find("amsgrad: stability is -1") == 6);
  CHECK(message([] { zoft::adaptive_scalar{.beta = 1}.check(); }).find("adaptive_scalar: beta is 1") == 6);
  CHECK(message([] { zoft::adaptive_scalar{.stability = 0}.check(); }).find("adaptive_scalar: stability is 0") == 6);
  const auto rates = [&]<class O>(const std::string& name, O) {
    CHECK(message([] { O{.learning_rate = -0.5}.check(); }) ==
          "zoft: " + name + ": learning_rate is -0.5, and must be at least 0");
    CHECK(message([] { O{.decay = -1}.check(); }) == "zoft: " + name + ": decay is -1, and must be at least 0");
    CHECK(message([] { O{.schedule = zoft::linear(0)}.check(); }).find("schedule: steps is 0") == 6);
    CHECK_NOTHROW(O{.learning_rate = 0}.check());
  };
  rates("adam", zoft::adam{});
  rates("amsgrad", zoft::amsgrad{});
  rates("sign_of_slopes", zoft::sign_of_slopes{});
  rates("sign_of_estimate", zoft::sign_of_estimate{});
  rates("adaptive_scalar", zoft::adaptive_scalar{});
}

}  // namespace optimizers_dense_tests
