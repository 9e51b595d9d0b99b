#include <limits>
#include <zoft/concepts.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/two_point.hpp>

#include "core_support.hpp"

using core_test::message;
using zoft::one_sided;
using zoft::two_point;

static_assert(zoft::estimator<two_point> && zoft::estimator<one_sided>);

namespace {
template <class E>
std::vector<double> coefficients(const E& e, std::vector<double> losses) {
  std::vector<double> c(e.queries, std::numeric_limits<double>::quiet_NaN());
  e.coefficients({.losses = losses}, c);
  return c;
}
}  // namespace

TEST_CASE("two_point: points and coefficients", "[estimator]") {
  const two_point e{.epsilon = 0.25, .queries = 3};
  REQUIRE(e.evaluations() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(e.at(i).query == i % 3);
    CHECK(e.at(i).scale == (i < 3 ? 0.25 : -0.25));
  }
  // (l₊ − l₋)/(2·0.25·3)
  CHECK(coefficients(e, {4, 1, 2, 1, 1, 5}) == std::vector<double>{2, 0, -2});
}

TEST_CASE("one_sided: points and coefficients", "[estimator]") {
  const one_sided e{.epsilon = 0.25, .queries = 2};
  REQUIRE(e.evaluations() == 3);
  CHECK(e.at(0).scale == 0);
  CHECK(e.at(1).query == 0);
  CHECK(e.at(2).query == 1);
  CHECK(e.at(1).scale == 0.25);
  CHECK(e.at(2).scale == 0.25);
  // (l − l₀)/(0.25·2)
  CHECK(coefficients(e, {1, 2, -3}) == std::vector<double>{2, -8});
}

TEST_CASE("estimators: along a parabola, two_point is exact and one_sided is off by the curvature", "[estimator]") {
  // l(s) = 3 + 5s + 7s², whose slope at 0 is 5.
  const auto l = [](double s) { return 3 + 5 * s + 7 * s * s; };
  const double h = 0.125;
  CHECK(coefficients(two_point{.epsilon = h}, {l(h), l(-h)})[0] == 5);
  CHECK(coefficients(one_sided{.epsilon = h}, {l(0), l(h)})[0] == 5 + 7 * h);
}

TEST_CASE("estimators: options out of range name the value", "[estimator]") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const auto check = [&]<class E>(const std::string& name, E) {
    CHECK(message([] { E{.epsilon = 0}.check(); }) == "zoft: " + name + ": epsilon is 0, and must be above 0");
    CHECK(message([] { E{.epsilon = -1e-8}.check(); }) == "zoft: " + name + ": epsilon is -1e-08, and must be above 0");
    CHECK(message([&] { E{.epsilon = nan}.check(); }).find(name + ": epsilon is nan") == 6);
    CHECK(message([&] { E{.epsilon = inf}.check(); }).find(name + ": epsilon is inf") == 6);
    CHECK(message([] { E{.queries = 0}.check(); }) == "zoft: " + name + ": queries is 0, and must be at least 1");
    CHECK_NOTHROW(E{}.check());
  };
  check("two_point", two_point{});
  check("one_sided", one_sided{});
}
