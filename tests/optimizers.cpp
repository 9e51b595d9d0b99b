#include <limits>
#include <numbers>
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/schedule/cosine.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

using namespace core_test;

static_assert(zoft::optimizer<zoft::sgd> && zoft::optimizer<zoft::momentum>);

namespace {

constexpr zoft::two_point probes{.epsilon = 1e-2, .queries = 2};

// Tensors that are longer and shorter than the engine's chunks, matrices and vectors in turn.
zoft::layout shape() {
  zoft::layout result;
  result.add("embedding", 50, 61);
  result.add("bias", 2100);
  result.add("norm.gain", 7);
  result.add("head", 3, 5);
  return result;
}

std::vector<double> sines(std::size_t n) {
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(std::sin(static_cast<double>(i)));
  return x;
}

bool has_two_names(const zoft::tensor& t) { return t.name.find('.') != std::string::npos; }

// The dense loop that an optimizer abbreviates. velocity is m; λ by element.
std::vector<double> dense(std::uint32_t steps, double rate, double beta, const std::vector<double>& decay,
                          const zoft::schedule& over = {}) {
  auto x = sines(decay.size());
  const std::size_t n = x.size();
  std::vector<double> m(n, 0.0);
  for (std::uint32_t step = 0; step < steps; ++step) {
    std::vector<double> g(n, 0.0);
    for (std::uint32_t i = 0; i < probes.queries; ++i) {
      const auto z = noise<double>(zoft::gaussian{}, {42, step, i}, n);
      std::vector<double> up, down;
      for (std::size_t j = 0; j < n; ++j) up.push_back(multiply_add(probes.epsilon, z[j], x[j]));
      for (std::size_t j = 0; j < n; ++j) down.push_back(multiply_add(-probes.epsilon, z[j], x[j]));
      const double c =
          (sphere<double>(up) - sphere<double>(down)) / (2 * probes.epsilon * static_cast<double>(probes.queries));
      for (std::size_t j = 0; j < n; ++j) g[j] = multiply_add(c, z[j], g[j]);
    }
    const double now = rate * over(step);
    for (std::size_t j = 0; j < n; ++j) {
      m[j] = multiply_add(beta, m[j], g[j]);
      const double with_decay = decay[j] > 0 ? multiply_add(decay[j], x[j], m[j]) : m[j];
      x[j] = multiply_add(-now, with_decay, x[j]);
    }
  }
  return x;
}

template <class Optimizer>
std::vector<double> trained(const Optimizer& optimizer, const zoft::layout& tensors, std::size_t n,
                            std::uint32_t steps) {
  zoft::engine tuner{zoft::gaussian{}, probes, zoft::full{.layout = tensors}, optimizer, zoft::seed{42}};
  auto x = sines(n);
  for (std::uint32_t step = 0; step < steps; ++step) {
    const auto report = tuner.step(std::span(x), [](std::span<const double> w) { return sphere(w); });
    CHECK(report.learning_rate == optimizer.rate(step));
  }
  return x;
}

std::vector<double> decay_of(const zoft::layout& tensors, double lambda, bool (*decays)(const zoft::tensor&)) {
  std::vector<double> result;
  for (const auto& t : tensors) result.insert(result.end(), t.size(), decays(t) ? lambda : 0.0);
  return result;
}

}  // namespace

TEST_CASE("sgd and momentum: equal to the dense loop, decay by tensor", "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const double rate = 1e-4;
  for (const auto decays : {zoft::all, zoft::matrices, has_two_names})
    for (const double lambda : {0.0, 0.5}) {
      const auto decay = decay_of(tensors, lambda, decays);
      CHECK(bits(trained(zoft::sgd{.learning_rate = rate, .decay = lambda, .decays = decays}, tensors, n, 5)) ==
            bits(dense(5, rate, 0, decay)));
      CHECK(bits(trained(zoft::momentum{.learning_rate = rate, .beta = 0.75, .decay = lambda, .decays = decays},
                         tensors, n, 5)) == bits(dense(5, rate, 0.75, decay)));
    }
  // Without a layout everything decays.
  const std::vector<double> everywhere(n, 0.5);
  const zoft::sgd plain{.learning_rate = rate, .decay = 0.5, .decays = zoft::matrices};
  CHECK(bits(trained(plain, {}, n, 5)) == bits(dense(5, rate, 0, everywhere)));
  // The layout by itself changes nothing.
  CHECK(bits(trained(zoft::sgd{.learning_rate = rate}, tensors, n, 5)) ==
        bits(trained(zoft::sgd{.learning_rate = rate}, {}, n, 5)));
}

TEST_CASE("sgd: decay does not pass through ε or the estimate", "[optimizer]") {
  // Of equal losses nothing is learnt, and only the decay is seen: x(1 − ηλ).
  const zoft::layout tensors = shape();
  for (const double epsilon : {1e-6, 1.0}) {
    zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = epsilon}, zoft::full{.layout = tensors},
                       zoft::sgd{.learning_rate = 0.1, .decay = 0.5, .decays = zoft::matrices}};
    auto x = sines(tensors.size());
    const auto before = x;
    tuner.step(std::span(x), [](std::span<const double>) { return 3.0; });
    for (const auto& t : tensors)
      for (std::size_t i = t.offset; i < t.offset + t.size(); ++i)
        REQUIRE(x[i] == Approx(before[i] * (t.is_matrix() ? 0.95 : 1.0)).epsilon(1e-14));
  }
}

TEST_CASE("optimizers: the rate follows the schedule", "[optimizer]") {
  const zoft::schedule over = zoft::linear(10, 3);
  const std::vector<double> none(3000, 0.0);
  const auto x = trained(zoft::momentum{.learning_rate = 1e-4, .beta = 0.5, .schedule = over}, {}, 3000, 10);
  CHECK(bits(x) == bits(dense(10, 1e-4, 0.5, none, over)));
  CHECK(bits(x) != bits(dense(10, 1e-4, 0.5, none)));
}

TEST_CASE("schedules: values at the first and last steps", "[schedule]") {
  const zoft::schedule constant;
  CHECK(constant(0) == 1);
  CHECK(constant(4'000'000'000u) == 1);

  const auto linear = zoft::linear(10);
  CHECK(linear(0) == 1);
  CHECK(linear(5) == Approx(0.5));
  CHECK(linear(9) == Approx(0.1));
  CHECK(linear(10) == 0);
  CHECK(linear(1000) == 0);

  const auto cosine = zoft::cosine(10);
  CHECK(cosine(0) == 1);
  CHECK(cosine(5) == Approx(0.5));
  CHECK(cosine(9) == Approx((1 + std::cos(0.9 * std::numbers::pi)) / 2));
  CHECK(cosine(10) == Approx(0).margin(1e-15));
  CHECK(cosine(1000) == Approx(0).margin(1e-15));

  // Over the first 4 steps up to, and at the fifth at, the peak.
  for (const auto& warm : {zoft::linear(14, 4), zoft::cosine(14, 4), zoft::schedule{.warmup = 4}}) {
    for (std::uint32_t step = 0; step < 4; ++step) CHECK(warm(step) == Approx((step + 1) / 5.0));
    CHECK(warm(4) == 1);
  }
  CHECK(zoft::linear(14, 4)(9) == Approx(0.5));
  CHECK(zoft::linear(14, 4)(13) == Approx(0.1));
  CHECK(zoft::cosine(14, 4)(9) == Approx(0.5));
  CHECK(zoft::linear(14, 4)(14) == 0);
  CHECK(zoft::schedule{.warmup = 4}(1000) == 1);
  CHECK(zoft::linear(1)(0) == 1);
  CHECK(zoft::linear(3, 3)(2) == Approx(0.75));
}

TEST_CASE("optimizers: options out of range name the value", "[optimizer]") {
  const double nan_ = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  const auto check = [&]<class O>(const std::string& name, O) {
    CHECK(message([] { O{.learning_rate = -0.5}.check(); }) ==
          "zoft: " + name + ": learning_rate is -0.5, and must be at least 0");
    CHECK(message([&] { O{.learning_rate = nan_}.check(); }).find(name + ": learning_rate is nan") == 6);
    CHECK(message([&] { O{.learning_rate = infinite}.check(); }).find(name + ": learning_rate is inf") == 6);
    CHECK(message([] { O{.decay = -1}.check(); }) == "zoft: " + name + ": decay is -1, and must be at least 0");
    CHECK(message([&] { O{.decay = nan_}.check(); }).find(name + ": decay is nan") == 6);
    CHECK(message([] { O{.schedule = zoft::linear(0)}.check(); }) ==
          "zoft: schedule: steps is 0, and must be the length of the run");
    CHECK(message([] { O{.schedule = zoft::cosine(5, 6)}.check(); }) ==
          "zoft: schedule: warmup is 6, and must be at most steps, which is 5");
    CHECK_NOTHROW(O{.learning_rate = 0}.check());
  };
  check("sgd", zoft::sgd{});
  check("momentum", zoft::momentum{});
  for (const double beta : {-0.1, 1.0, 2.0})
    CHECK(message([&] { zoft::momentum{.beta = beta}.check(); }) ==
          "zoft: momentum: beta is " + zoft::text(beta) + ", and must be at least 0 and below 1");
  CHECK(message([&] { zoft::momentum{.beta = nan_}.check(); }).find("momentum: beta is nan") == 6);
}
