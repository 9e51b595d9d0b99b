// The pull and the bound that keep parameters near their start.
#include <zoft/adapter/blocks.hpp>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/adapter/subset.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/optimizer/anchored.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/optimizer/replayed_momentum.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/optimizer/sign_of_slopes.hpp>
#include <zoft/sampler/sparse.hpp>

#include "optimizer_support.hpp"

using namespace optimizer_test;
using zoft::anchored;

static_assert(zoft::optimizer<anchored<zoft::sgd>> && !zoft::replaying_optimizer<anchored<zoft::sgd>>);
static_assert(zoft::replaying_optimizer<anchored<zoft::replayed_momentum>>);

namespace {

constexpr double rate = 1e-2, lambda = 3;

double distance(std::span<const double> x, std::span<const double> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("anchored: 100 steps of momentum with a pull and a bound are those of the textbook", "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const auto origin = start<double>(n);
  const auto decay = decay_of(tensors, lambda, zoft::matrices);
  for (const double radius : {0.0, 5.0}) {
    std::vector<double> m(n, 0.0);
    bool reached = false;
    check_same(anchored<zoft::momentum>{.optimizer = {.learning_rate = rate, .beta = 0.9},
                                        .decay = lambda,
                                        .decays = zoft::matrices,
                                        .radius = radius},
               zoft::full{.layout = tensors}, [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t) {
                 for (std::size_t i = 0; i < n; ++i) {
                   m[i] = 0.9 * m[i] + g[i];
                   x[i] -= rate * (m[i] + decay[i] * (x[i] - origin[i]));
                 }
                 const double far = distance(x, origin);
                 if (radius == 0 || far <= radius) return;
                 reached = true;
                 for (std::size_t i = 0; i < n; ++i) x[i] = origin[i] + radius / far * (x[i] - origin[i]);
               });
    CHECK(reached == (radius > 0));
  }
}

TEST_CASE("anchored: without a pull or a bound it is the optimizer that it holds, bit for bit", "[optimizer]") {
  const std::size_t n = shape().size();
  const auto check = [&]<class Optimizer>(const Optimizer& optimizer) {
    const zoft::full adapter{.layout = shape()};
    CHECK(bits(trained(anchored<Optimizer>{.optimizer = optimizer}, adapter, start<float>(n), 20)) ==
          bits(trained(optimizer, adapter, start<float>(n), 20)));
    CHECK(bits(trained(anchored<Optimizer>{.optimizer = optimizer, .radius = 1e9}, adapter, start<float>(n), 20)) ==
          bits(trained(optimizer, adapter, start<float>(n), 20)));
  };
  check(zoft::sgd{.learning_rate = rate});
  check(zoft::momentum{.learning_rate = rate});
  check(zoft::adam{.learning_rate = rate});
  check(zoft::sign_of_slopes{.learning_rate = rate});
  check(zoft::replayed_momentum{.learning_rate = rate, .history = 3});
}

TEST_CASE("anchored: of equal losses it goes back to the start, not to 0", "[optimizer]") {
  anchored<zoft::sgd> optimizer{.optimizer = {.learning_rate = 0.1}, .decay = 2};
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, optimizer};
  const auto origin = start<double>(3000);
  auto x = origin;
  tuner.tell(std::span(x), std::vector<double>{1, 0});
  const double away = distance(x, origin);
  CHECK(away > 1);
  tuner.tell(std::span(x), std::vector<double>{1, 1});
  CHECK(distance(x, origin) == Approx(0.8 * away).epsilon(1e-12));
  for (int step = 0; step < 200; ++step) tuner.tell(std::span(x), std::vector<double>{1, 1});
  CHECK(distance(x, origin) < 1e-12);
}

TEMPLATE_TEST_CASE("anchored: no step leaves the ball", "[optimizer]", float, double, zoft::bfloat16, zoft::half) {
  using T = TestType;
  using A = zoft::arithmetic_t<T>;
  // Half a unit in the last place a parameter is what rounding to the parameters' type may add.
  const double radius = 0.75, place = std::is_same_v<T, double>       ? 0x1p-53
                                      : std::is_same_v<T, float>      ? 0x1p-24
                                      : std::is_same_v<T, zoft::half> ? 0x1p-11
                                                                      : 0x1p-8;
  const std::size_t n = 3000;
  const auto origin = start<T>(n);
  auto x = origin;
  zoft::engine tuner{zoft::gaussian{}, probes, zoft::full{},
                     anchored<zoft::sgd>{.optimizer = {.learning_rate = 1}, .radius = radius}, zoft::seed{run}};
  for (std::uint32_t step = 0; step < 4; ++step) {
    tuner.tell(std::span(x), losses(step));
    double sum = 0, rounding = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double to = static_cast<double>(static_cast<A>(x[i])),
                   from = static_cast<double>(static_cast<A>(origin[i]));
      sum += (to - from) * (to - from);
      rounding += to * to * place * place;
    }
    CHECK(std::sqrt(sum) <= radius + std::sqrt(rounding) + 1e-12);
    CHECK(std::sqrt(sum) >= radius - std::sqrt(rounding) - 1e-12);
  }
}

TEST_CASE("anchored: the bound moves only what the step moved", "[optimizer]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const auto origin = start<double>(n);
  auto x = origin;
  const zoft::blocks adapter{.layout = tensors, .interval = 2};
  const double radius = 2;
  zoft::engine tuner{zoft::gaussian{}, probes, adapter,
                     anchored<zoft::sgd>{.optimizer = {.learning_rate = 0.05}, .radius = radius}, zoft::seed{run}};
  bool reached = false;
  for (std::uint32_t step = 0; step < 30; ++step) {
    const auto before = x;
    tuner.tell(std::span(x), losses(step));
    const auto moves = adapter.trains(tensors, tuner.direction(step, 0));
    for (std::size_t k = 0; k < moves.size(); ++k)
      if (!moves[k])
        for (std::size_t i = 0; i < tensors.tensors()[k].size(); ++i) {
          const std::size_t at = tensors.tensors()[k].offset + i;
          REQUIRE(std::bit_cast<std::uint64_t>(x[at]) == std::bit_cast<std::uint64_t>(before[at]));
        }
    CHECK(distance(x, origin) <= radius * (1 + 1e-12));
    reached = reached || distance(x, origin) > radius * (1 - 1e-12);
  }
  CHECK(reached);
}

TEST_CASE("anchored: where z is 0 the bound keeps every bit", "[optimizer]") {
  const std::vector<float> origin(3000, -0.0f);
  auto x = origin;
  zoft::engine tuner{zoft::sparse<zoft::gaussian>{.density = 0.1}, probes, zoft::full{},
                     anchored<zoft::sgd>{.optimizer = {.learning_rate = 1}, .radius = 0.5}, zoft::seed{run}};
  tuner.tell(std::span(x), losses(0));
  const auto z = noise<float>(tuner.sampler(), tuner.direction(0, 0), x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    REQUIRE((z[i] == 0) == (std::bit_cast<std::uint32_t>(x[i]) == 0x80000000u));
}

TEST_CASE("anchored: parameters that an adapter owns stay near those it started from", "[optimizer]") {
  struct {
    zoft::layout linears;
    const zoft::layout& layout() const { return linears; }
  } model;
  model.linears.add("layers.0.q_proj", 12, 12);
  model.linears.add("layers.1.q_proj", 40, 90);
  const double radius = 0.125;
  zoft::engine tuner{zoft::gaussian{}, probes, zoft::lora_fa{.rank = 4},
                     anchored<zoft::adam>{.optimizer = {.learning_rate = 0.1}, .radius = radius}, zoft::seed{run}};
  tuner.attach(model);
  for (std::uint32_t step = 0; step < 3; ++step) {
    tuner.tell(losses(step));
    double sum = 0;  // B starts from 0
    for (const float v : tuner.adapter().parameters()) sum += static_cast<double>(v) * static_cast<double>(v);
    CHECK(std::sqrt(sum) == Approx(radius).epsilon(1e-6));
  }
}

TEST_CASE("anchored: what does not fit is said", "[optimizer]") {
  using a = anchored<zoft::sgd>;
  CHECK(message([] { a{.decay = -1}.check(); }) == "zoft: anchored: decay is -1, and must be at least 0");
  CHECK(message([] { a{.radius = -1}.check(); }) == "zoft: anchored: radius is -1, and must be at least 0");
  CHECK(message([] { a{.optimizer = {.decay = 0.5}}.check(); }) ==
        "zoft: anchored: optimizer.decay is 0.5, and must be 0, since it is not towards the start");
  CHECK(message([] { a{.optimizer = {.learning_rate = -1}}.check(); }).find("sgd: learning_rate is -1") == 6);
  CHECK_NOTHROW(a{}.check());
}
