// Moments that are rebuilt from (step, c), against moments that are stored.
#include <zoft/adapter/blocks.hpp>
#include <zoft/method/adamezo.hpp>
#include <zoft/method/mezo_momentum.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/schedule/linear.hpp>

#include "optimizer_support.hpp"

namespace optimizers_replayed_tests {

using namespace optimizer_test;

static_assert(zoft::replaying_optimizer<zoft::replayed_momentum> && zoft::replaying_optimizer<zoft::replayed_adam>);
static_assert(!zoft::replaying_optimizer<zoft::momentum> && !zoft::replaying_optimizer<zoft::adam>);

namespace {

constexpr double rate = 1e-2, lambda = 0.3;

}  // namespace

TEST_CASE("replayed_momentum: the truncated sum over applied steps, with decay by tensor", "[optimizer]") {
  const auto tensors = shape();
  const auto decay = decay_of(tensors, lambda, zoft::matrices);
  for (const std::size_t h : {1u, 5u}) {
    std::vector<std::vector<double>> past;
    check_same(
        zoft::replayed_momentum{
            .learning_rate = rate, .beta = 0.8, .history = h, .decay = lambda, .decays = zoft::matrices},
        zoft::full{.layout = tensors}, [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t) {
          past.insert(past.begin(), g);
          if (past.size() > h + 1) past.pop_back();
          for (std::size_t i = 0; i < x.size(); ++i) {
            double m = 0;
            for (std::size_t j = 0; j < past.size(); ++j) m += std::pow(0.8, static_cast<double>(j)) * past[j][i];
            x[i] -= rate * (m + decay[i] * x[i]);
          }
        });
  }
}

TEST_CASE("replayed_adam: the truncated averages over applied steps, corrected for what is cut off", "[optimizer]") {
  const auto tensors = shape();
  const auto decay = decay_of(tensors, lambda, zoft::vectors);
  const std::size_t h = 4;
  std::vector<std::vector<double>> past;
  check_same(zoft::replayed_adam{.learning_rate = rate,
                                 .beta1 = 0.8,
                                 .beta2 = 0.97,
                                 .history = h,
                                 .stability = 1e-3,
                                 .decay = lambda,
                                 .decays = zoft::vectors},
             zoft::full{.layout = tensors}, [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t) {
               past.insert(past.begin(), g);
               if (past.size() > h + 1) past.pop_back();
               const auto k = static_cast<double>(past.size());
               for (std::size_t i = 0; i < x.size(); ++i) {
                 double m = 0, v = 0;
                 for (std::size_t j = 0; j < past.size(); ++j) {
                   m += 0.2 * std::pow(0.8, static_cast<double>(j)) * past[j][i];
                   v += 0.03 * std::pow(0.97, static_cast<double>(j)) * past[j][i] * past[j][i];
                 }
                 const double m_hat = m / (1 - std::pow(0.8, k)), v_hat = v / (1 - std::pow(0.97, k));
                 x[i] -= rate * (m_hat / (std::sqrt(v_hat) + 1e-3) + decay[i] * x[i]);
               }
             });
}

TEST_CASE("replayed moments: with all steps remembered, those that are kept", "[optimizer]") {
  const std::uint32_t steps = 40;
  const std::size_t n = shape().size();
  const auto check = [&](const auto& adapter) {
    const zoft::replayed_momentum m{.learning_rate = rate, .beta = 0.9, .history = steps, .decay = lambda};
    const zoft::momentum kept_m{.learning_rate = rate, .beta = 0.9, .decay = lambda};
    const zoft::replayed_adam a{.learning_rate = rate, .history = steps, .stability = 1e-3, .decay = lambda};
    const zoft::adam kept_a{.learning_rate = rate, .stability = 1e-3, .decay = lambda};
    CHECK(difference(trained(m, adapter, start<double>(n), steps), trained(kept_m, adapter, start<double>(n), steps)) <
          1e-12);
    CHECK(difference(trained(a, adapter, start<double>(n), steps), trained(kept_a, adapter, start<double>(n), steps)) <
          1e-12);
  };
  check(zoft::full{});
  check(zoft::full{.layout = shape()});
  // Where tensors rest, their moments rest.
  check(zoft::blocks{.layout = shape(), .active = 2, .interval = 3});
  check(zoft::blocks{.layout = shape(), .active = 2, .order = zoft::block_order::random, .block = zoft::itself});
}

TEST_CASE("replayed_momentum: what is cut off is at most βʰ⁺¹/(1 − β) of the largest estimate", "[optimizer]") {
  const std::size_t n = shape().size(), h = 12;
  const double beta = 0.7;
  const std::uint32_t steps = 40;
  double largest = 0;
  for (std::uint32_t step = 0; step < steps; ++step)
    if (!is_rejected(step))
      for (const double g : estimate(step, coefficients(step), n)) largest = std::max(largest, std::abs(g));
  const auto replayed = trained(zoft::replayed_momentum{.learning_rate = rate, .beta = beta, .history = h},
                                zoft::full{}, start<double>(n), steps);
  const auto kept = trained(zoft::momentum{.learning_rate = rate, .beta = beta}, zoft::full{}, start<double>(n), steps);
  const double cut = difference(replayed, kept);
  CHECK(cut > 0);
  CHECK(cut <= steps * rate * largest * std::pow(beta, h + 1) / (1 - beta));
}

TEST_CASE("replayed moments: bounded memory of the past, whatever the number of queries was then", "[optimizer]") {
  auto tuner = zoft::adamezo({.learning_rate = 1e-3, .history = 2, .queries = 3, .seed = 5});
  std::vector<double> x(100, 0.0);
  tuner.tell(std::span(x), std::vector<double>{1, 2, 3, 0, 0, 0});
  tuner.estimator().queries = 1;
  tuner.tell(std::span(x), std::vector<double>{1, 0});
  tuner.estimator().queries = 2;
  const auto before = x;
  tuner.tell(std::span(x), std::vector<double>{1, 2, 0, 0});
  const auto made = [&](std::uint32_t step, std::vector<double> c) {
    std::vector<double> g(100, 0.0);
    for (std::uint32_t i = 0; i < c.size(); ++i)
      tuner.sampler().axpy(std::span<double>(g), c[i], tuner.direction(step, i));
    return g;
  };
  const auto g0 = made(2, {250, 500}), g1 = made(1, {500}), g2 = made(0, {500.0 / 3, 1000.0 / 3, 500});
  for (std::size_t i = 0; i < 100; ++i) {
    const double m = (g0[i] + 0.9 * g1[i] + 0.81 * g2[i]) / (1 + 0.9 + 0.81);
    const double v =
        (g0[i] * g0[i] + 0.999 * g1[i] * g1[i] + 0.999 * 0.999 * g2[i] * g2[i]) / (1 + 0.999 + 0.999 * 0.999);
    REQUIRE(x[i] == Approx(before[i] - 1e-3 * m / (std::sqrt(v) + 1e-8)).epsilon(1e-10).margin(1e-14));
  }
}

TEST_CASE("mezo_momentum and adamezo: descend", "[optimizer]") {
  const auto loss = [](std::span<const double> w) { return ellipsoid(w, 100.0); };
  const auto check = [&](auto tuner, double least) {
    std::vector<double> x = start<double>(30);
    const double before = loss(x);
    for (int step = 0; step < 600; ++step) tuner.step(std::span(x), loss);
    CHECK(loss(x) < least * before);
  };
  check(zoft::mezo_momentum({.learning_rate = 3e-5, .queries = 2, .seed = 1}), 0.2);
  check(zoft::adamezo({.learning_rate = 5e-3, .queries = 2, .seed = 1}), 0.2);
}

TEST_CASE("replayed optimizers: what does not fit is said", "[optimizer]") {
  const auto check = [&]<class O>(const std::string& name, O) {
    CHECK(message([] { O{.history = 0}.check(); }) == "zoft: " + name + ": history is 0, and must be at least 1");
    CHECK(message([] { O{.learning_rate = -1}.check(); }).find(name + ": learning_rate is -1") == 6);
    CHECK(message([] { O{.decay = -1}.check(); }).find(name + ": decay is -1") == 6);
    CHECK_NOTHROW(O{}.check());
  };
  check("replayed_momentum", zoft::replayed_momentum{});
  check("replayed_adam", zoft::replayed_adam{});
  CHECK(message([] { zoft::replayed_momentum{.beta = 1}.check(); }).find("replayed_momentum: beta is 1") == 6);
  CHECK(message([] { zoft::replayed_adam{.beta1 = 1}.check(); }).find("replayed_adam: beta1 is 1") == 6);
  CHECK(message([] { zoft::replayed_adam{.beta2 = 1}.check(); }).find("replayed_adam: beta2 is 1") == 6);
  CHECK(message([] { zoft::replayed_adam{.stability = 0}.check(); }).find("replayed_adam: stability is 0") == 6);
}

}  // namespace optimizers_replayed_tests
