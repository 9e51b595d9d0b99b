// When minimize ends, what it says of it, and where it may go.
#include <chrono>
#include <zoft/minimize.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

using namespace core_test;

TEST_CASE("minimize: ends at each limit, and says at which", "[minimize]") {
  auto x = cosines(10);
  const auto run = [&](const zoft::minimize_options& o) {
    x = cosines(10);
    const auto r = zoft::minimize(std::span(x), sphere<double>, o);
    CHECK(r.loss == sphere<double>(x));
    CHECK(r.why().starts_with("ended after " + zoft::text(r.steps) + " steps and " + zoft::text(r.evaluations) +
                              " evaluations, as "));
    return r;
  };
  const auto says = [](const zoft::report& r, const char* what) { return r.why().find(what) != std::string::npos; };

  auto r = run({.steps = 37});
  CHECK(r.stopped_by == zoft::stop::steps);
  CHECK(r.steps == 37);
  CHECK(says(r, "as these are all the steps that were allowed\nloss: "));

  for (const std::size_t most : {200u, 777u, 3000u}) {
    r = run({.evaluations = most});
    CHECK(r.stopped_by == zoft::stop::evaluations);
    CHECK(r.evaluations <= most);
    CHECK(r.evaluations >= most - 4);
  }
  CHECK(says(r, "another step would be beyond the evaluations that were allowed"));

  r = run({.evaluations = 100'000, .target = 1e-3});
  CHECK(r.stopped_by == zoft::stop::target);
  CHECK(r.loss <= 1e-3);
  CHECK(r.evaluations < 2000);
  CHECK(says(r, "the target is reached"));
  r = run({.steps = 10, .target = 1e9});
  CHECK(r.steps == 0);
  CHECK(r.status == zoft::status::no_improvement);

  r = run({.tolerance = 1e-6, .evaluations = 1'000'000});
  CHECK(r.stopped_by == zoft::stop::tolerance);
  CHECK(r.loss < 1e-5 * r.initial_loss);
  CHECK(r.evaluations < 10'000);
  CHECK(says(r, "the loss fell no more than the tolerance"));

  const auto begun = std::chrono::steady_clock::now();
  r = run({.learning_rate = 1e-12, .epsilon = 1e-4, .seconds = 0.05});
  CHECK(r.stopped_by == zoft::stop::seconds);
  CHECK(std::chrono::steady_clock::now() - begun >= std::chrono::milliseconds(50));
  CHECK(says(r, "the time is over"));

  r = run({.evaluations = 10'000'000});
  CHECK(r.stopped_by == zoft::stop::stalled);
  CHECK(r.loss < 1e-20);
  CHECK(says(r, "no step with this epsilon lowers the loss any more, however small its rate"));
}

TEST_CASE("minimize: on_step sees each step, and ends the run", "[minimize]") {
  auto x = cosines(10);
  std::vector<std::uint32_t> seen;
  const auto r =
      zoft::minimize(std::span(x), sphere<double>, {.steps = 100, .on_step = [&](const zoft::step_report& s) {
                                                      CHECK(s.evaluations == 2);
                                                      CHECK(s.projected_gradients.size() == 1);
                                                      seen.push_back(s.step);
                                                      return seen.size() < 42;
                                                    }});
  CHECK(r.stopped_by == zoft::stop::on_step);
  CHECK(r.steps == 42);
  CHECK(seen.size() == 42);
  CHECK(seen.back() == 41);
}

TEST_CASE("minimize: the history, if it is asked for", "[minimize]") {
  auto x = cosines(10);
  CHECK(zoft::minimize(std::span(x), sphere<double>, {.steps = 50}).history.empty());
  x = cosines(10);
  const auto r = zoft::minimize(std::span(x), sphere<double>,
                                {.steps = 50, .learning_rate = 0.01, .epsilon = 1e-4, .history = true});
  REQUIRE(r.history.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(r.history[i].evaluations == 2 + i * 21);
  CHECK(r.history[0].loss == r.initial_loss);
  CHECK(r.history[5].loss == r.loss);
}

TEST_CASE("minimize: the same seed gives the same bits", "[minimize]") {
  const auto run = [](std::uint64_t seed) {
    auto x = cosines(10);
    zoft::minimize(std::span(x), rosenbrock<double>, {.steps = 500, .seed = seed});
    return bits(x);
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

TEST_CASE("minimize: within bounds", "[minimize]") {
  const std::vector<double> lower{-1, 0.5, -1, 2, -3}, upper{-0.25, 2, 1, 2, 3};
  std::vector<double> x{-0.5, 1, 1, 2, 0.3};
  const auto inside = [&](std::span<const double> v) {
    for (std::size_t i = 0; i < v.size(); ++i) {
      REQUIRE(v[i] >= lower[i]);
      REQUIRE(v[i] <= upper[i]);
    }
    return sphere(v);
  };
  auto r = zoft::minimize(std::span(x), inside, {.steps = 3000, .lower = lower, .upper = upper});
  CHECK(r.status == zoft::status::ok);
  CHECK(r.loss == sphere<double>(x));
  CHECK(r.loss == Approx(0.0625 + 0.25 + 4).epsilon(1e-5));  // at (−0.25, 0.5, 0, 2, 0)

  // One number for all, and only on one side.
  x.assign(10, 2.0);
  r = zoft::minimize(std::span(x), sphere<double>, {.steps = 3000, .lower = {0.5}});
  CHECK(r.loss == Approx(2.5).epsilon(1e-6));
}

TEST_CASE("minimize: arguments of different scales", "[minimize]") {
  // A sphere in x/scale: with the scales given, it is as easy as a sphere.
  std::vector<double> scale, start;
  for (std::size_t i = 0; i < 12; ++i)
    scale.push_back(std::pow(10.0, static_cast<double>(i) - 6)), start.push_back(scale[i]);
  const auto f = [&](std::span<const double> v) {
    double sum = 0;
    for (std::size_t i = 0; i < v.size(); ++i) sum += std::pow(v[i] / scale[i], 2);
    return sum;
  };
  auto x = start;
  CHECK(zoft::minimize(std::span(x), f, {.scale = scale}).loss < 1e-12);
  x = start;
  CHECK(zoft::minimize(std::span(x), f).loss > 1);
}

TEST_CASE("minimize: if f throws, x is the best point so far", "[minimize]") {
  struct enough {};
  for (const bool bounded : {false, true}) {
    CAPTURE(bounded);
    auto x = cosines(10);
    const double before = sphere<double>(x);
    int calls = 0;
    zoft::minimize_options o{.learning_rate = 0.01, .epsilon = 1e-4};
    if (bounded) o.lower = {-5};
    CHECK_THROWS_AS(zoft::minimize(
                        std::span(x),
                        [&](std::span<const double> v) {
                          if (++calls == 1000) throw enough{};
                          return sphere(v);
                        },
                        o),
                    enough);
    CHECK(sphere<double>(x) < 0.1 * before);
    CHECK(bits(x) != bits(cosines(10)));
  }
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
  CHECK(refused({.tolerance = 1}) == "zoft: minimize: tolerance is 1, and must be from 0 to below 1");
  CHECK(refused({.seconds = -1}) == "zoft: minimize: seconds is -1, and must be at least 0");
  CHECK(refused({.target = std::nan("")}) == "zoft: minimize: target is nan, and must be a number");
  CHECK(refused({.evaluations = 50}) ==
        "zoft: minimize: evaluations is 50, and must be at least 200 where learning_rate or epsilon is to be measured");
  CHECK(refused({.learning_rate = 1, .epsilon = 1, .evaluations = 2}) ==
        "zoft: minimize: evaluations is 2, and must be at least 3");
  CHECK(refused({.lower = {0, 0}}) == "zoft: minimize: lower has 2 numbers, and must have none, 1, or 5, as x has");
  CHECK(refused({.lower = {0.9}}) ==
        "zoft: minimize: x[1] is " + zoft::text(std::cos(1.0)) + " at the start, and must be from 0.9 to inf");
  CHECK(refused({.lower = {2}, .upper = {-2}}) ==
        "zoft: minimize: lower[0] is 2, and must be at most upper[0], which is -2");
  CHECK(refused({.lower = {-1, -1, 5, -1, -1}, .upper = {2}}) ==
        "zoft: minimize: lower[2] is 5, and must be at most upper[2], which is 2");
  CHECK(refused({.lower = {std::nan("")}}) == "zoft: minimize: lower[0] is nan, and must be a number");
  CHECK(refused({.lower = {0}, .upper = {2, 2, 2, 2, std::nan("")}}) ==
        "zoft: minimize: upper[4] is nan, and must be a number");
  CHECK(refused({.scale = {1, 2, 0, 1, 1}}) == "zoft: minimize: scale[2] is 0, and must be above 0");
  CHECK(x == cosines(5));
  x.clear();
  CHECK(refused({}) == "zoft: minimize: x is empty, and must be at least one number");
  x = cosines(5);
  for (const double bad : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity()})
    CHECK(message([&] { zoft::minimize(std::span(x), [&](std::span<const double>) { return bad; }); }) ==
          "zoft: minimize: f is " + zoft::text(bad) + " at the start, and must be finite");
  CHECK(message([&] { zoft::minimize(std::span(x), [&](std::span<const double>) { return std::nan(""); }); }) ==
        "zoft: minimize: f is nan at the start, and must be finite");
}
