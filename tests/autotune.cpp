#include <limits>
#include <zoft/autotune.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

using namespace core_test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class T>
std::vector<T> start(std::size_t n) {
  std::vector<T> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(T(static_cast<float>(std::cos(static_cast<double>(i + 1)))));
  return x;
}

/// Σ aᵢ(1 − cos(xᵢ + ½)) with a from 1 to 2: neither its second nor its third derivatives vanish.
template <class T>
struct waves {
  double scale = 1;
  static double weight(std::size_t i) { return 1 + 0.05 * static_cast<double>(i % 20); }

  double operator()(std::span<const T> x) const {
    using A = zoft::arithmetic_t<T>;
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      sum += weight(i) * (1 - std::cos(static_cast<double>(static_cast<A>(x[i])) + 0.5));
    return scale * sum;
  }
};

/// f with errors of standard deviation sigma, new at each call.
template <class F>
auto with_noise(F f, double sigma, std::uint64_t seed = 99) {
  return [f, sigma, seed, call = std::uint32_t{0}](const auto& x) mutable {
    return f(x) + sigma * noise<double>(zoft::gaussian{}, {seed, call++, 0}, 1)[0];
  };
}

auto one_sided_tuner(std::uint64_t seed) {
  return zoft::engine{zoft::gaussian{}, zoft::one_sided{.queries = 2}, zoft::full{}, zoft::sgd{}, zoft::seed{seed}};
}

void check_factor(double found, double truth, double factor) {
  CAPTURE(found, truth);
  CHECK(found < factor * truth);
  CHECK(found > truth / factor);
}

}  // namespace

namespace {

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

TEMPLATE_TEST_CASE("autotune: x comes back bit for bit, and losses asked are losses counted", "[autotune]", float,
                   double, zoft::bfloat16, zoft::half) {
  using T = TestType;
  const auto before = start<T>(40);
  const waves<T> f;
  auto x = before;
  std::size_t calls = 0;
  auto tuner = zoft::mezo({.seed = 1});
  const auto one = zoft::autotune(tuner, std::span(x), [&](std::span<const T> v) {
    ++calls;
    return f(v);
  });
  CHECK(bits(x) == bits(before));
  CHECK(calls == one.evaluations);
  CHECK(one.evaluations < 1100);
  CHECK(one.status == zoft::status::ok);
  CHECK(tuner.steps() == 0);

  // Candidates are asked in the same places, and x is not moved for them.
  calls = 0;
  auto stacked = zoft::mezo({.seed = 1});
  const auto all = zoft::autotune(stacked, std::span(x), [&](zoft::candidates<T> c, std::span<double> losses) {
    calls += c.size();
    for (std::size_t i = 0; i < c.size(); ++i) losses[i] = f(c[i]);
  });
  CHECK(bits(x) == bits(before));
  CHECK(calls == all.evaluations);
  CHECK(all.evaluations == one.evaluations);
  CHECK(all.epsilon == one.epsilon);
  CHECK(all.learning_rate == one.learning_rate);
  CHECK(all.why() == one.why());
}

TEST_CASE("autotune: whenever f throws, x and the tuner are as they were", "[autotune]") {
  struct stop {};
  const auto before = start<float>(40);
  for (int last = 1; last < 500; last += last < 80 ? 7 : 61) {
    auto x = before;
    auto tuner = zoft::mezo({.epsilon = 0.125, .learning_rate = 0.25, .seed = 1});
    int calls = 0;
    CHECK_THROWS_AS(zoft::autotune(tuner, std::span(x),
                                   [&](std::span<const float> v) {
                                     if (++calls == last) throw stop{};
                                     return waves<float>{}(v);
                                   }),
                    stop);
    CHECK(bits(x) == bits(before));
    CHECK(tuner.estimator().epsilon == 0.125);
    CHECK(tuner.optimizer().learning_rate == 0.25);
    CHECK(tuner.steps() == 0);
  }
}

TEST_CASE("autotune: the tuner differs by ε and η only, and descends", "[autotune]") {
  const auto before = start<double>(40);
  auto x = before, y = before;
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.queries = 2}, zoft::full{}, zoft::momentum{}, zoft::seed{8}};
  const auto found = zoft::autotune(tuner, std::span(x), waves<double>{});
  CHECK(tuner.estimator().epsilon == found.epsilon);
  CHECK(tuner.optimizer().learning_rate == found.learning_rate);
  zoft::engine same{zoft::gaussian{}, zoft::two_point{.epsilon = found.epsilon, .queries = 2}, zoft::full{},
                    zoft::momentum{.learning_rate = found.learning_rate}, zoft::seed{8}};
  for (int step = 0; step < 300; ++step) {
    tuner.step(std::span(x), waves<double>{});
    same.step(std::span(y), waves<double>{});
  }
  CHECK(bits(x) == bits(y));
  CHECK(waves<double>{}(x) < 1e-3 * found.loss);
}

TEST_CASE("autotune: one seed gives one result, another another", "[autotune]") {
  const auto why = [](std::uint64_t seed) {
    auto x = start<float>(40);
    auto tuner = zoft::mezo({.seed = seed});
    return zoft::autotune(tuner, std::span(x), with_noise(waves<float>{}, 1e-4)).why();
  };
  CHECK(why(1) == why(1));
  CHECK(why(1) != why(2));
}

namespace {

/// θ ← θ − η·sign(c)·z: the step's length does not depend on the loss' scale.
struct sign_of_slope : zoft::sgd {
  void adapt(std::span<double> c) {
    for (double& v : c) v = v > 0 ? 1 : v < 0 ? -1 : 0;
  }
};

}  // namespace

TEST_CASE("autotune: the loss' unit passes through, with plain and with sign-like steps", "[autotune]") {
  const auto tune = [](auto optimizer, double scale) {
    auto x = start<double>(40);
    zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, optimizer, zoft::seed{2}};
    const auto found = zoft::autotune(tuner, std::span(x), waves<double>{scale});
    CHECK(found.status == zoft::status::ok);
    for (int step = 0; step < 300; ++step) tuner.step(std::span(x), waves<double>{scale});
    CHECK(waves<double>{scale}(x) < 0.3 * found.loss);
    return found;
  };
  // By a power of 2 all is exact.
  const auto plain = tune(zoft::sgd{}, 1), plain_1024 = tune(zoft::sgd{}, 1024);
  CHECK(plain_1024.epsilon == plain.epsilon);
  CHECK(plain_1024.noise.value == 1024 * plain.noise.value);
  CHECK(plain_1024.learning_rate == plain.learning_rate / 1024);
  const auto sign = tune(sign_of_slope{}, 1), sign_1024 = tune(sign_of_slope{}, 1024);
  CHECK(sign_1024.epsilon == sign.epsilon);
  CHECK(sign_1024.learning_rate == Approx(sign.learning_rate));
}

TEST_CASE("autotune: a schedule does not bend the trials", "[autotune]") {
  const auto rate = [](const zoft::schedule& over) {
    auto x = start<double>(40);
    auto tuner = zoft::mezo({.schedule = over, .seed = 2});
    const double found = zoft::autotune(tuner, std::span(x), waves<double>{}).learning_rate;
    CHECK(tuner.optimizer().schedule.warmup == over.warmup);
    return found;
  };
  CHECK(rate(zoft::linear(1000, 500)) == rate({}));
}

TEST_CASE("autotune: losses that cannot be tuned on are said to be", "[autotune]") {
  auto x = start<double>(10);
  const auto tune = [&](auto f) {
    auto tuner = zoft::mezo({.epsilon = 0.125, .learning_rate = 0.25});
    const auto found = zoft::autotune(tuner, std::span(x), f);
    CHECK(tuner.estimator().epsilon == found.epsilon);
    CHECK(tuner.optimizer().learning_rate == found.learning_rate);
    return found;
  };
  const auto constant = tune([](std::span<const double>) { return 3.0; });
  CHECK(constant.status == zoft::status::no_improvement);
  CHECK(constant.epsilon == 0.125);
  CHECK(constant.learning_rate == 0.25);
  CHECK(constant.why().find("noise: none, as the loss is the same wherever it was looked at") != std::string::npos);

  const auto line = tune([](std::span<const double> v) { return 4 * v[0] - v[1]; });
  CHECK(line.status == zoft::status::ok);
  CHECK(line.limited_by == zoft::epsilon_limit::range);
  CHECK(line.evaluations < 1100);

  const auto x0 = x[0];
  const auto point = tune([&](std::span<const double> v) { return v[0] == x0 ? 1.0 : not_a_number; });
  CHECK(point.status == zoft::status::no_improvement);
  CHECK(point.limited_by == zoft::epsilon_limit::unchanged);
  CHECK(point.epsilon == 0.125);
  CHECK(point.learning_rate == 0.25);

  // A minimum is where it starts: any step leads up.
  x.assign(10, 0.0);
  const auto minimum = tune([](std::span<const double> v) { return 1 + sphere(v) + v[0] * v[0] * v[0]; });
  CHECK(minimum.status == zoft::status::no_improvement);
  CHECK(minimum.epsilon != 0.125);
  CHECK(minimum.learning_rate == 0.25);
  CHECK(minimum.why().find("as it was, as none of") != std::string::npos);
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

TEST_CASE("autotune: what is wrong is said", "[autotune]") {
  auto x = start<double>(5);
  std::vector<double> none;
  auto tuner = zoft::mezo({});
  for (const double bad : {not_a_number, std::numeric_limits<double>::infinity()})
    CHECK(message([&] { zoft::autotune(tuner, std::span(x), [&](std::span<const double>) { return bad; }); }) ==
          "zoft: autotune: f is " + zoft::text(bad) + " at the start, and must be finite");
  CHECK(message([&] { zoft::autotune(tuner, std::span(none), waves<double>{}); }) ==
        "zoft: engine: the parameters are an empty span, and must be at least one number");
  auto owner = zoft::prge({}, zoft::lora_fa{.rank = 1});
  CHECK(message([&] { zoft::autotune(owner, [](const zoft::low_rank_stack&) { return 1.0; }); }) ==
        "zoft: engine: the adapter is not attached to a model yet: call attach first");
}

namespace {

struct linears {
  zoft::layout shape;
  linears() {
    shape.add("q", 6, 8);
    shape.add("k", 4, 6);
  }
  const zoft::layout& layout() const { return shape; }

  /// Σ over the linears' elements of (s·BA − target)².
  double loss(const zoft::low_rank_stack& stack, std::size_t group) const {
    double sum = 0;
    for (const zoft::tensor& t : shape) {
      const zoft::low_rank& l = *stack.find(t.name);
      for (std::size_t row = 0; row < l.out; ++row)
        for (std::size_t column = 0; column < l.in; ++column) {
          double value = 0.1 - 0.02 * static_cast<double>(row);
          for (std::size_t r = 0; r < l.rank; ++r)
            value += static_cast<double>(l.scale) * static_cast<double>(l.b_of(group)[row * l.rank + r]) *
                     static_cast<double>(l.a_of(group)[r * l.in + column]);
          sum += value * value;
        }
    }
    return sum;
  }
};

}  // namespace

TEST_CASE("autotune: parameters that an adapter owns, with either functor", "[autotune]") {
  const linears model;
  auto tuner = zoft::prge({.queries = 2, .seed = 6}, zoft::lora_fa{.rank = 2, .alpha = 4});
  tuner.attach(model);
  auto single = tuner;
  const std::vector<float> before(tuner.adapter().parameters().begin(), tuner.adapter().parameters().end());
  std::size_t calls = 0;
  const auto f = [&](const auto& adapters, std::span<double> losses) {
    calls += adapters.size();
    for (std::size_t i = 0; i < adapters.size(); ++i) losses[i] = model.loss(adapters, i);
  };
  const auto found = zoft::autotune(tuner, f);
  CHECK(found.evaluations == calls);
  CHECK(found.status == zoft::status::ok);
  CHECK(bits(before) ==
        bits(std::vector<float>(tuner.adapter().parameters().begin(), tuner.adapter().parameters().end())));
  for (int step = 0; step < 100; ++step) tuner.step(f);
  CHECK(model.loss(tuner.adapter().stack(), 0) < 0.9 * found.loss);

  const auto one = zoft::autotune(single, [&](const zoft::low_rank_stack& s) { return model.loss(s, 0); });
  CHECK(one.why() == found.why());
}

TEST_CASE("autotune: the report says what was tried, and why", "[autotune]") {
  auto x = start<double>(40);
  auto tuner = zoft::mezo({.seed = 1});
  const auto found = zoft::autotune(tuner, std::span(x), waves<double>{});
  double least = found.loss;
  for (const auto& t : found.rates) least = std::min(least, t.loss);
  CHECK(least < found.loss);
  CHECK(found.rates.size() >= 4);
  const std::string why = found.why();
  for (const char* line : {"loss: ", "\nnoise: ", "\nepsilon: ", "where noise and truncation balance",
                           "\nlearning_rate: ", " steps\n", "\nevaluations: "})
    CHECK(why.find(line) != std::string::npos);
  CHECK(why.find("evaluations: " + zoft::text(found.evaluations)) != std::string::npos);
}
