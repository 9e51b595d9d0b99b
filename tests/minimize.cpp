#include <limits>
#include <zoft/minimize.hpp>
#include <zoft/random/stream.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/schedule/cosine.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

using namespace core_test;

TEST_CASE("minimize: the sphere", "[minimize]") {
  auto x = cosines(30);
  const auto r =
      zoft::minimize(std::span(x), sphere<double>, {.steps = 2000, .learning_rate = 0.01, .epsilon = 1e-4, .seed = 1});
  CHECK(r.status == zoft::status::ok);
  CHECK(r.evaluations == 2 + 2 * 2000);
  CHECK(r.rejected == 0);
  CHECK(r.initial_loss == sphere<double>(cosines(30)));
  CHECK(r.loss == sphere<double>(x));
  CHECK(r.loss < 1e-12);
}

TEST_CASE("minimize: a rotated ellipsoid of condition 1e6", "[minimize]") {
  auto x = cosines(10);
  const auto f = [](std::span<const double> v) { return ellipsoid(v, 1e6); };
  const auto r = zoft::minimize(std::span(x), f, {.steps = 50'000, .learning_rate = 1e-7, .epsilon = 1e-6, .seed = 1});
  CHECK(r.initial_loss > 2e5);
  CHECK(r.status == zoft::status::ok);
  CHECK(r.loss < 50);
}

TEST_CASE("minimize: Rosenbrock's function", "[minimize]") {
  std::vector<double> x(10, 0.0);
  const auto r = zoft::minimize(std::span(x), rosenbrock<double>,
                                {.steps = 20'000, .learning_rate = 2e-4, .epsilon = 1e-5, .queries = 2, .seed = 1});
  CHECK(r.initial_loss == 9);
  CHECK(r.status == zoft::status::ok);
  CHECK(r.loss < 0.05);
  CHECK(r.evaluations == 2 + 4 * 20'000);
}

TEST_CASE("minimize: a sphere whose values carry noise", "[minimize]") {
  // Noise of variance σ² = 1e-4 is, in a slope, of variance σ²/2ε² = 5e-3, and η takes 1/20 of it to the end.
  auto x = cosines(20);
  std::uint32_t calls = 0;
  const auto f = [&](std::span<const double> v) {
    return sphere(v) + 0.01 * noise<double>(zoft::gaussian{}, {9, calls++, 0}, 1)[0];
  };
  const auto r =
      zoft::minimize(std::span(x), f,
                     {.steps = 4000, .learning_rate = 0.01, .epsilon = 0.1, .schedule = zoft::linear(4000), .seed = 1});
  CHECK(r.evaluations == calls);
  CHECK(r.initial_loss > 9);
  CHECK(sphere<double>(x) < 1e-3);
}

TEST_CASE("minimize: in float, and under schedules", "[minimize]") {
  for (const auto& schedule : {zoft::schedule{}, zoft::linear(500, 10), zoft::cosine(500)}) {
    std::vector<float> x(10, 1.0f);
    const auto r = zoft::minimize(std::span(x), sphere<float>,
                                  {.steps = 500, .learning_rate = 0.03, .epsilon = 1e-2, .schedule = schedule});
    CHECK(r.loss < 1e-3);
  }
}

TEST_CASE("minimize: with ε and η measured", "[minimize]") {
  std::vector<double> x{-1.2, 1, -1.2, 1, -1.2, 1};
  std::size_t calls = 0;
  const auto r = zoft::minimize(std::span(x),
                                [&](std::span<const double> v) {
                                  ++calls;
                                  return rosenbrock(v);
                                },
                                {.steps = 5000, .seed = 1, .autotune = true});
  CHECK(r.status == zoft::status::ok);
  CHECK(r.loss < 0.01 * r.initial_loss);
  CHECK(r.evaluations == calls);
  CHECK(calls > 10'002);
  CHECK(calls < 11'200);
}

TEST_CASE("minimize: not improving is a result", "[minimize]") {
  auto x = cosines(5);
  auto r = zoft::minimize(std::span(x), sphere<double>, {.steps = 10, .learning_rate = 0});
  CHECK(r.status == zoft::status::no_improvement);
  CHECK(r.loss == r.initial_loss);
  CHECK(x == cosines(5));

  // Far too large a rate.
  r = zoft::minimize(std::span(x), sphere<double>, {.steps = 10, .learning_rate = 2});
  CHECK(r.status == zoft::status::no_improvement);
  CHECK(r.loss > r.initial_loss);

  r = zoft::minimize(std::span(x), sphere<double>, {.steps = 0});
  CHECK(r.status == zoft::status::no_improvement);
  CHECK(r.evaluations == 2);

  // A function that is defined at the start only.
  x = cosines(5);
  const auto f = [](std::span<const double> v) {
    return v[0] == 1.0 ? sphere(v) : std::numeric_limits<double>::quiet_NaN();
  };
  r = zoft::minimize(std::span(x), f, {.steps = 7});
  CHECK(r.status == zoft::status::no_improvement);
  CHECK(r.rejected == 7);
  CHECK(x == cosines(5));

  int calls = 0;
  r = zoft::minimize(std::span(x), [&](std::span<const double>) { return calls++ == 0 ? 1.0 : std::log(-1.0); },
                     {.steps = 3});
  CHECK(r.status == zoft::status::not_finite);
  CHECK(r.rejected == 3);
}

TEST_CASE("minimize: what is wrong is said before f is called", "[minimize]") {
  auto x = cosines(5);
  const auto refused = [&](const zoft::minimize_options& o) {
    int calls = 0;
    const auto what = message([&] {
      zoft::minimize(
          std::span(x), [&](std::span<const double>) { return ++calls; }, o);
    });
    CHECK(calls == 0);
    return what;
  };
  CHECK(refused({.epsilon = 0}) == "zoft: two_point: epsilon is 0, and must be above 0");
  CHECK(refused({.queries = 0}) == "zoft: two_point: queries is 0, and must be at least 1");
  CHECK(refused({.learning_rate = -1}) == "zoft: sgd: learning_rate is -1, and must be at least 0");
  CHECK(refused({.schedule = zoft::linear(0)}) == "zoft: schedule: steps is 0, and must be the length of the run");
  x.clear();
  CHECK(refused({}) == "zoft: minimize: x is empty, and must be at least one number");
  x = cosines(5);
  for (const double bad : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
    CHECK(message([&] { zoft::minimize(std::span(x), [&](std::span<const double>) { return bad; }); }) ==
          "zoft: minimize: f is " + zoft::text(bad) + " at the start, and must be finite");
  CHECK(message([&] { zoft::minimize(std::span(x), [&](std::span<const double>) { return std::nan(""); }); }) ==
        "zoft: minimize: f is nan at the start, and must be finite");
}
