// minimize on functions of which the minimum is known. tests/minimize_limits.cpp has when it ends, and its bounds.
#include <zoft/minimize.hpp>
#include <zoft/random/stream.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/schedule/cosine.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

using namespace core_test;

namespace {

/// f with gaussian noise of deviation σ, a new one in each call.
template <class F>
auto noisy(F f, double sigma, std::uint64_t seed) {
  return [=, calls = std::uint32_t{0}](std::span<const double> v) mutable {
    return f(v) + sigma * noise<double>(zoft::gaussian{}, {seed, calls++, 0}, 1)[0];
  };
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

}  // namespace

TEST_CASE("minimize: the sphere", "[minimize]") {
  auto x = cosines(30);
  const auto r =
      zoft::minimize(std::span(x), sphere<double>, {.steps = 2000, .learning_rate = 0.01, .epsilon = 1e-4, .seed = 1});
  CHECK(r.status == zoft::status::ok);
  CHECK(r.stopped_by == zoft::stop::steps);
  CHECK(r.steps == 2000);
  CHECK(r.evaluations == 2 + 2 * 2000 + 200);
  CHECK(r.not_finite == 0);
  CHECK(r.taken_back == 0);
  CHECK(r.learning_rate == 0.01);
  CHECK(r.epsilon == 1e-4);
  CHECK(r.noise == 0);
  CHECK(!r.tuning);
  CHECK(r.initial_loss == sphere<double>(cosines(30)));
  CHECK(r.loss == sphere<double>(x));
  CHECK(r.loss < 1e-12);
}

TEST_CASE("minimize: no number is needed", "[minimize]") {
  auto x = cosines(30);
  CHECK(zoft::minimize(std::span(x), sphere<double>).loss < 1e-20);
  x.assign(10, 0.0);
  zoft::report r = zoft::minimize(std::span(x), rosenbrock<double>, {.seed = 1});
  CHECK(r.evaluations <= 11'000);
  CHECK(r.loss < 4);  // at rates that do not change, the best of a grid comes to 6 in as many
  CHECK(r.tuning->status == zoft::status::ok);
  r = zoft::minimize(std::span(x), rosenbrock<double>, {.evaluations = 200'000});
  CHECK(r.loss < 1e-4);

  std::vector<float> one{1.0f};
  CHECK(zoft::minimize(std::span(one), sphere<float>).loss < 1e-12);
  std::vector<double> far(20, 300.0);
  const auto log_cosh = [](std::span<const double> v) {
    double sum = 0;
    for (const double a : v) sum += std::log(std::cosh(a - 3));
    return sum;
  };
  CHECK(zoft::minimize(std::span(far), log_cosh).loss < 1e-12);
}

TEST_CASE("minimize: a rate that is too large is halved, and x is never worse than the start", "[minimize]") {
  // Steps of this rate double the loss of a sphere of 30 numbers and more; Rosenbrock's grows without bound.
  for (const double rate : {0.1, 0.5, 2.0, 1e3, 1e150}) {
    CAPTURE(rate);
    std::vector<double> x(30, 1.0);
    const auto r =
        zoft::minimize(std::span(x), sphere<double>, {.steps = 2000, .learning_rate = rate, .epsilon = 1e-4});
    CHECK(r.loss == sphere<double>(x));
    CHECK(r.loss <= 30);
    CHECK(r.taken_back > 0);
    CHECK(r.learning_rate < rate);
    if (rate < 10) CHECK(r.loss < 0.1);
  }
  std::vector<double> x{-1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1};
  const double before = rosenbrock<double>(x);
  const auto r =
      zoft::minimize(std::span(x), rosenbrock<double>, {.steps = 1000, .learning_rate = 1e-3, .epsilon = 1e-4});
  CHECK(r.status == zoft::status::ok);
  CHECK(r.loss == rosenbrock<double>(x));
  CHECK(r.loss < before / 100);
}

TEST_CASE("minimize: a rotated ellipsoid of condition 1e6", "[minimize]") {
  auto x = cosines(10);
  const auto f = [](std::span<const double> v) { return ellipsoid(v, 1e6); };
  const auto r = zoft::minimize(std::span(x), f, {.steps = 50'000, .learning_rate = 1e-7, .epsilon = 1e-6, .seed = 1});
  CHECK(r.initial_loss > 2e5);
  CHECK(r.status == zoft::status::ok);
  CHECK(r.loss < 50);
}

TEST_CASE("minimize: where f is not finite, steps lead away", "[minimize]") {
  const auto walled = [](std::span<const double> v) {
    for (const double a : v)
      if (a < 0.5) return a < 0 ? std::nan("") : HUGE_VAL;
    return sphere(v);
  };
  for (const bool tuned : {false, true}) {
    CAPTURE(tuned);
    std::vector<double> x(10, 2.0);
    zoft::minimize_options o{.steps = 5000};
    if (!tuned) o.learning_rate = 1e-3, o.epsilon = 1e-4;
    const auto r = zoft::minimize(std::span(x), walled, o);
    CHECK(r.status == zoft::status::ok);
    CHECK(r.loss == walled(x));
    CHECK(r.loss < 15);  // 2.5 where all touch the wall
    CHECK(r.not_finite > 0);
    CHECK(r.not_finite < 1000);
  }
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
  // The deviation of 8 values is that of f within a factor of 2, but for one in a thousand.
  CHECK(r.noise > 0.005);
  CHECK(r.noise < 0.02);
  CHECK(sphere<double>(x) < 1e-3);
}

TEST_CASE("minimize: on a noisy function, more steps do not end worse", "[minimize]") {
  // log cosh, since on a sphere any ε is good. σ is a fifth of the loss at the start.
  const auto log_cosh = [](std::span<const double> v) {
    double sum = 0;
    for (const double a : v) sum += std::log(std::cosh(a));
    return sum;
  };
  std::vector<double> medians;
  for (const std::uint32_t steps : {1000u, 5000u, 20'000u}) {
    std::vector<double> ends;
    for (std::uint64_t seed = 0; seed < 7; ++seed) {
      std::vector<double> x(20, 1.0);
      const auto r = zoft::minimize(std::span(x), noisy(log_cosh, 1.0, seed), {.steps = steps, .seed = seed});
      CHECK(r.status == zoft::status::ok);
      ends.push_back(log_cosh(x));
    }
    medians.push_back(median(ends));
  }
  CAPTURE(medians[0], medians[1], medians[2]);
  CHECK(medians[1] < medians[0]);
  CHECK(medians[2] < medians[1]);
  CHECK(medians[2] < 0.2);
}

TEST_CASE("minimize: noise alone is not taken for progress", "[minimize]") {
  // A difference beyond 3 of its deviations comes once in 740 runs on one side.
  int improved = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    std::vector<double> x(10, 1.0);
    const auto nothing = [](std::span<const double>) { return 0.0; };
    improved += zoft::minimize(std::span(x), noisy(nothing, 1.0, seed), {.steps = 500, .seed = seed}).status ==
                zoft::status::ok;
  }
  CHECK(improved <= 1);
}

TEST_CASE("minimize: in float, and under schedules", "[minimize]") {
  for (const auto& schedule : {zoft::schedule{}, zoft::linear(500, 10), zoft::cosine(500)}) {
    std::vector<float> x(10, 1.0f);
    const auto r = zoft::minimize(std::span(x), sphere<float>,
                                  {.steps = 500, .learning_rate = 0.03, .epsilon = 1e-2, .schedule = schedule});
    CHECK(r.loss < 1e-3);
  }
}

TEST_CASE("minimize: either of ε and η can be left out", "[minimize]") {
  std::size_t calls = 0;
  const auto counted = [&](std::span<const double> v) {
    ++calls;
    return rosenbrock(v);
  };
  const std::vector<double> start{-1.2, 1, -1.2, 1, -1.2, 1};
  for (const zoft::minimize_options& o :
       {zoft::minimize_options{.steps = 3000, .seed = 1}, zoft::minimize_options{.steps = 3000, .epsilon = 1e-3},
        zoft::minimize_options{.steps = 3000, .learning_rate = 1e-4}}) {
    auto x = start;
    calls = 0;
    const auto r = zoft::minimize(std::span(x), counted, o);
    CHECK(r.status == zoft::status::ok);
    CHECK(r.loss < 0.01 * r.initial_loss);
    CHECK(r.evaluations == calls);
    CHECK(calls < 7000);
    CHECK(r.tuning);
    if (o.epsilon) CHECK(r.epsilon == *o.epsilon);
    if (o.learning_rate) CHECK(r.learning_rate == *o.learning_rate);
  }
}

TEST_CASE("minimize: not improving is a result", "[minimize]") {
  auto x = cosines(5);
  auto r = zoft::minimize(std::span(x), sphere<double>, {.steps = 10, .learning_rate = 0, .epsilon = 1e-4});
  CHECK(r.status == zoft::status::no_improvement);
  CHECK(r.loss == r.initial_loss);
  CHECK(x == cosines(5));

  // Functions that are defined at the start only, one of them once.
  const auto f = [](std::span<const double> v) {
    return v[0] == 1.0 ? sphere(v) : std::numeric_limits<double>::quiet_NaN();
  };
  for (const bool tuned : {false, true}) {
    zoft::minimize_options o{.steps = 70};
    if (!tuned) o.learning_rate = 1e-3, o.epsilon = 1e-4;
    r = zoft::minimize(std::span(x), f, o);
    CHECK(r.status == zoft::status::no_improvement);
    CHECK(r.not_finite > 100);
    CHECK(r.loss == sphere<double>(x));
    CHECK(x == cosines(5));
  }
  int calls = 0;
  CHECK(message([&] {
          zoft::minimize(std::span(x), [&](std::span<const double>) { return calls++ == 0 ? 1.0 : std::log(-1.0); });
        }) == "zoft: minimize: f was not finite in 5 of 6 evaluations at the start, and must be in more than half of them");
  CHECK(x == cosines(5));

  // A constant.
  r = zoft::minimize(std::span(x), [](std::span<const double>) { return 3.0; });
  CHECK(r.status == zoft::status::no_improvement);
  CHECK(r.loss == 3);
  CHECK(x == cosines(5));
}
