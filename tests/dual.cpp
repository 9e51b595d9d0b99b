// Dual numbers against derivatives from calculus, and the estimator that uses them.
#include <zoft/core/dual.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/forward_gradient.hpp>
#include <zoft/method/forward_gradient_descent.hpp>
#include <zoft/sampler/coordinate.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "estimator_support.hpp"

namespace dual_tests {

using namespace core_test;
using zoft::dual;

static_assert(zoft::estimator<zoft::forward_gradient> && zoft::tangent_estimator<zoft::forward_gradient>);

namespace {

// f at x + xʹδ, and what it should be.
template <class F>
void check(F f, double x, double value, double slope) {
  for (const double direction : {1.0, -2.5, 0.0}) {
    const dual<double> y = f(dual<double>(x, direction));
    CHECK(y.value == Approx(value).epsilon(1e-14).margin(1e-300));
    CHECK(y.derivative == Approx(slope * direction).epsilon(1e-13).margin(1e-300));
  }
}

// Written once for all number types.
const auto valley = [](const auto& x) {
  using T = std::remove_cvref_t<decltype(x[0])>;
  T sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const T a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
    sum += 100 * a * a + b * b;
  }
  return sum;
};

std::vector<double> gradient_of_valley(const std::vector<double>& x) {
  std::vector<double> g(x.size(), 0.0);
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i];
    g[i] += -400 * a * x[i] - 2 * (1 - x[i]);
    g[i + 1] += 200 * a;
  }
  return g;
}

std::vector<double> start(std::size_t n) {
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(std::cos(static_cast<double>(i)));
  return x;
}

}  // namespace

TEST_CASE("dual: each function's derivative", "[dual]") {
  using std::sqrt, std::exp, std::sin, std::pow, std::max;
  const double x = 0.7;
  check([](auto v) { return sqrt(v); }, x, std::sqrt(x), 0.5 / std::sqrt(x));
  check([](auto v) { return exp(v); }, x, std::exp(x), std::exp(x));
  check([](auto v) { return expm1(v); }, x, std::expm1(x), std::exp(x));
  check([](auto v) { return log(v); }, x, std::log(x), 1 / x);
  check([](auto v) { return log1p(v); }, x, std::log1p(x), 1 / (1 + x));
  check([](auto v) { return sin(v); }, x, std::sin(x), std::cos(x));
  check([](auto v) { return cos(v); }, x, std::cos(x), -std::sin(x));
  check([](auto v) { return tan(v); }, x, std::tan(x), 1 / std::pow(std::cos(x), 2));
  check([](auto v) { return asin(v); }, x, std::asin(x), 1 / std::sqrt(1 - x * x));
  check([](auto v) { return acos(v); }, x, std::acos(x), -1 / std::sqrt(1 - x * x));
  check([](auto v) { return atan(v); }, x, std::atan(x), 1 / (1 + x * x));
  check([](auto v) { return sinh(v); }, x, std::sinh(x), std::cosh(x));
  check([](auto v) { return cosh(v); }, x, std::cosh(x), std::sinh(x));
  check([](auto v) { return tanh(v); }, x, std::tanh(x), 1 / std::pow(std::cosh(x), 2));
  check([](auto v) { return erf(v); }, x, std::erf(x), 2 / std::sqrt(std::acos(-1.0)) * std::exp(-x * x));
  for (const double y : {3.0, -2.0, 0.5, 0.0}) {
    check([y](auto v) { return pow(v, y); }, x, std::pow(x, y), y * std::pow(x, y - 1));
    check([y](auto v) { return pow(y + 3, v); }, x, std::pow(y + 3, x), std::log(y + 3) * std::pow(y + 3, x));
  }
  check([](auto v) { return pow(v, v); }, x, std::pow(x, x), std::pow(x, x) * (std::log(x) + 1));
  // An integer power of what is not positive.
  check([](auto v) { return pow(v, 3); }, -x, -x * x * x, 3 * x * x);
  check([](auto v) { return pow(v, 2); }, 0, 0, 0);
  check([](auto v) { return pow(v, 1); }, 0, 0, 1);
  check([](auto v) { return pow(v, 0); }, 0, 1, 0);
}

TEST_CASE("dual: arithmetic, with constants on either side", "[dual]") {
  const double x = 0.7;
  check([](auto v) { return 2 + v * v - 3 / v; }, x, 2 + x * x - 3 / x, 2 * x + 3 / (x * x));
  check([](auto v) { return (v - 1) * 4.0 / (2 - v); }, x, (x - 1) * 4 / (2 - x), 4 / ((2 - x) * (2 - x)));
  check([](auto v) { return -v + +v / 2; }, x, -x / 2, -0.5);
  const auto compound = [](auto v) {
    auto w = v;
    w += v;
    w *= v;
    w -= 1;
    w /= v;
    return w;
  };
  check(compound, x, 2 * x - 1 / x, 2 + 1 / (x * x));
}

TEST_CASE("dual: comparisons are of values, and kinks take one side", "[dual]") {
  const dual<float> a(1, 5), b(2, -3), c(1, 7);
  CHECK(a == c);
  CHECK(a < b);
  CHECK(b >= 2);
  CHECK(a != b);
  CHECK(1.5f > a);
  CHECK(max(a, b).derivative == -3);
  CHECK(min(a, b).derivative == 5);
  CHECK(max(a, c).derivative == 5);
  CHECK(min(a, c).derivative == 5);
  CHECK(max(a, 4).derivative == 0);
  CHECK(min(0, a).value == 0);
  CHECK(abs(-b).derivative == -3);
  CHECK(abs(b).derivative == -3);
  CHECK(fabs(dual<float>(-2, 4)).value == 2);
  CHECK(fabs(dual<float>(-2, 4)).derivative == -4);
  CHECK(abs(dual<float>(0, -4)).derivative == -4);
  static_assert(dual<double>(3, 1) * dual<double>(2, 5) == dual<double>(6));
}

TEST_CASE("forward_gradient: the slope of a function along its direction, without ε", "[estimator]") {
  const auto x0 = start(3000);
  const auto g = gradient_of_valley(x0);
  for (const std::size_t q : {1u, 3u}) {
    zoft::engine tuner{zoft::gaussian{}, zoft::forward_gradient{.queries = q}, zoft::full{},
                       zoft::sgd{.learning_rate = 1e-6}, zoft::seed{2}};
    auto x = x0;
    std::size_t calls = 0;
    const auto report = tuner.step(std::span(x), [&](std::span<const dual<double>> v) { return ++calls, valley(v); });
    CHECK(calls == q);
    CHECK(report.evaluations == q);
    CHECK(report.probe_loss == Approx(valley(x0)));
    REQUIRE(report.projected_gradients.size() == q);
    auto expected = x0;
    for (std::uint32_t i = 0; i < q; ++i) {
      const auto z = noise<double>(zoft::gaussian{}, tuner.direction(0, i), x0.size());
      double slope = 0;
      for (std::size_t j = 0; j < g.size(); ++j) slope += g[j] * z[j];
      CHECK(report.projected_gradients[i] == Approx(slope).epsilon(1e-10));
      for (std::size_t j = 0; j < g.size(); ++j) expected[j] -= 1e-6 * slope * z[j] / static_cast<double>(q);
    }
    for (std::size_t j = 0; j < g.size(); ++j) REQUIRE(x[j] == Approx(expected[j]).epsilon(1e-12));
  }
}

TEST_CASE("forward_gradient: all coordinates in turn are the gradient", "[estimator]") {
  const std::size_t n = 16;
  const auto x0 = start(n), g = gradient_of_valley(x0);
  zoft::engine tuner{zoft::coordinate{.size = n, .order = zoft::order::cyclic}, zoft::forward_gradient{.queries = n},
                     zoft::full{}, zoft::sgd{.learning_rate = 1}};
  auto x = x0;
  tuner.step(std::span(x), [](std::span<const dual<double>> v) { return valley(v); });
  for (std::size_t j = 0; j < n; ++j) CHECK(x[j] == Approx(x0[j] - g[j]).epsilon(1e-13));
}

TEST_CASE("forward_gradient: tensors that rest have no derivative", "[estimator]") {
  struct second_only {
    zoft::layout layout;
    std::vector<bool> trains(const zoft::layout&, zoft::direction) const { return {false, true}; }
  };
  zoft::layout shape;
  shape.add("a", 5);
  shape.add("b", 7);
  zoft::engine tuner{zoft::rademacher{}, zoft::forward_gradient{}, second_only{shape}, zoft::sgd{.learning_rate = 0.1}};
  std::vector<float> x(12, 1.0f);
  tuner.step(std::span(x), [](std::span<const dual<float>> v) {
    dual<float> sum = 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      CHECK(std::abs(v[i].derivative) == (i < 5 ? 0.0f : 1.0f));
      sum += v[i] * v[i];
    }
    return sum;
  });
  for (std::size_t i = 0; i < 12; ++i) CHECK((x[i] == 1.0f) == (i < 5));
}

TEST_CASE("forward_gradient: what is not finite is not applied, what throws leaves no trace", "[estimator]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  auto x = start(20);
  const auto before = bits(x);
  auto tuner = zoft::forward_gradient_descent({.learning_rate = 1e-3, .queries = 2});
  for (int at = 0; at < 2; ++at)
    for (const auto& bad : {dual<double>(nan, 1), dual<double>(1, nan)}) {
      int call = 0;
      const auto functor = [&](std::span<const dual<double>>) { return call++ == at ? bad : dual<double>(1, 1); };
      CHECK(tuner.step(std::span(x), functor).status == zoft::status::not_finite);
      CHECK(bits(x) == before);
    }
  for (int at = 0; at < 2; ++at) {
    int call = 0;
    CHECK_THROWS_AS(tuner.step(std::span(x),
                               [&](std::span<const dual<double>> v) {
                                 if (call++ == at) throw 1;
                                 return valley(v);
                               }),
                    int);
    CHECK(bits(x) == before);
  }
}

TEST_CASE("forward_gradient: slopes from elsewhere can be told", "[estimator]") {
  const auto make = [] { return zoft::forward_gradient_descent({.learning_rate = 1e-3, .queries = 2, .seed = 8}); };
  auto stepped = make(), told = make();
  auto x = start(30), y = x;
  std::vector<double> slopes;
  const auto report = stepped.step(std::span(x), [](std::span<const dual<double>> v) { return valley(v); });
  for (const double g : report.projected_gradients) slopes.push_back(g);
  const auto copies = told.ask(std::span<const double>(y));
  REQUIRE(copies.size() == 2);
  CHECK(std::vector<double>(copies[1].begin(), copies[1].end()) == y);
  told.tell(std::span(y), slopes);
  CHECK(bits(x) == bits(y));
}

TEMPLATE_TEST_CASE("forward_gradient_descent: descends a valley", "[method]", float, double) {
  using T = TestType;
  std::vector<T> x;
  for (const double v : start(10)) x.push_back(static_cast<T>(v));
  const auto before = valley(x);
  auto tuner = zoft::forward_gradient_descent({.learning_rate = 5e-5, .queries = 2, .seed = 1});
  for (int step = 0; step < 300; ++step)
    REQUIRE(tuner.step(std::span(x), [](std::span<const dual<T>> v) { return valley(v); }).status == zoft::status::ok);
  CHECK(valley(x) < before / 3);
}

TEST_CASE("forward_gradient: options out of range name the value", "[estimator]") {
  check_messages_of_queries<zoft::forward_gradient>("forward_gradient", 1);
}

}  // namespace dual_tests
