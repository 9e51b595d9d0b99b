// Estimators of differences along one direction: residual, kernel, hessian_informed, greedy; and scheduled radii.
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/evolution.hpp>
#include <zoft/estimator/greedy.hpp>
#include <zoft/estimator/hessian_informed.hpp>
#include <zoft/estimator/kernel.hpp>
#include <zoft/estimator/leave_one_out.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/residual.hpp>
#include <zoft/estimator/standardised.hpp>
#include <zoft/estimator/standardised_per_example.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/schedule/gain.hpp>
#include <zoft/schedule/linear.hpp>

#include "estimator_support.hpp"

using namespace core_test;
using zoft::step_view;

// Of one that keeps a loss for the next step, or asks for points as losses come in, no other can be made.
static_assert(zoft::stateless_estimator<zoft::two_point> && !zoft::stateless_estimator<zoft::residual> &&
              !zoft::stateless_estimator<zoft::greedy>);

static_assert(zoft::estimator<zoft::residual> && zoft::estimator<zoft::kernel> &&
              zoft::estimator<zoft::hessian_informed> && zoft::estimator<zoft::greedy>);

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

step_view at_step(std::uint32_t step) { return {.name = {7, step, 0}}; }

}  // namespace

TEST_CASE("residual: the first step moves nothing, each other compares with the one before", "[estimator]") {
  zoft::residual e{.epsilon = 0.25};
  CHECK(e.evaluations() == 1);
  CHECK(e.at(0).query == 0);
  CHECK(e.at(0).scale == 0.25);
  CHECK(coefficients_of(e, {5}) == std::vector<double>{0});
  CHECK(coefficients_of(e, {6}) == std::vector<double>{4});
  CHECK(coefficients_of(e, {4}) == std::vector<double>{-8});
}

TEST_CASE("residual: a step that is not applied leaves no memory", "[estimator]") {
  zoft::engine tuner{zoft::gaussian{}, zoft::residual{.epsilon = 0.5}, zoft::full{}, zoft::sgd{.learning_rate = 1},
                     zoft::seed{3}};
  std::vector<float> x(50, 1.0f);
  const auto tell = [&](double loss) {
    const auto before = x;
    const auto report = tuner.tell(std::span(x), std::vector<double>{loss});
    return std::pair(report, bits(x) == bits(before));
  };
  CHECK(tell(not_a_number).first.status == zoft::status::not_finite);
  CHECK_FALSE(tuner.estimator().before.has_value());
  const auto [first, still] = tell(2);
  CHECK(first.status == zoft::status::ok);
  CHECK(still);
  // Infinite losses, and one whose slope no float holds.
  for (const double bad : {not_a_number, std::numeric_limits<double>::infinity(), 1e200}) {
    const auto [report, unmoved] = tell(bad);
    CHECK(report.status == zoft::status::not_finite);
    CHECK(unmoved);
    CHECK(tuner.estimator().before == 2);
  }
  const auto [last, unmoved] = tell(3);
  CHECK(last.status == zoft::status::ok);
  CHECK_FALSE(unmoved);
  CHECK(last.projected_gradients == std::vector<double>{2});
}

TEST_CASE("kernel: K keeps the first moment and drops the third", "[estimator]") {
  // Gauss and Legendre's five points are exact for polynomials up to degree 9.
  const double node[] = {0, std::sqrt(5 - 2 * std::sqrt(10.0 / 7)) / 3, std::sqrt(5 + 2 * std::sqrt(10.0 / 7)) / 3};
  const double weight[] = {128.0 / 225, (322 + 13 * std::sqrt(70.0)) / 900, (322 - 13 * std::sqrt(70.0)) / 900};
  const auto mean = [&](auto f) {
    double sum = weight[0] * f(0.0) / 2;
    for (int i = 1; i < 3; ++i) sum += weight[i] * (f(node[i]) + f(-node[i])) / 2;
    return sum;
  };
  const auto k = [](double r) { return zoft::kernel::weight(r); };
  CHECK(mean([&](double r) { return r * k(r); }) == Approx(1).epsilon(1e-14));
  CHECK(mean([&](double r) { return r * r * r * k(r); }) == Approx(0).margin(1e-14));
  CHECK(mean([&](double r) { return std::pow(r, 5) * k(r); }) == Approx(-5.0 / 21).epsilon(1e-13));
  CHECK(mean([&](double r) { return r * r * k(r) * k(r); }) == Approx(25.0 / 4).epsilon(1e-13));
}

TEST_CASE("kernel: radii are the direction's own, uniform on (−1, 1), and points and weights agree", "[estimator]") {
  constexpr int draws = 20'000;
  double sum = 0, squares = 0, neighbours = 0, before = 0;
  for (std::uint32_t step = 0; step < draws; ++step) {
    const double r = zoft::kernel::drawn_radius({1, step, 2});
    REQUIRE((std::abs(r) < 1 && r != 0));
    sum += r;
    squares += r * r - 1.0 / 3;
    neighbours += r * before;
    before = r;
  }
  CHECK(std::abs(sum) < 5 * std::sqrt(draws / 3.0));
  CHECK(std::abs(squares) < 5 * std::sqrt(draws * (1.0 / 5 - 1.0 / 9)));
  CHECK(std::abs(neighbours) < 5 * std::sqrt(draws / 9.0));
  CHECK(zoft::kernel::drawn_radius({1, 2, 3}) != zoft::kernel::drawn_radius({1, 3, 3}));
  CHECK(zoft::kernel::drawn_radius({1, 2, 3}) != zoft::kernel::drawn_radius({1, 2, 4}));
  CHECK(zoft::kernel::drawn_radius({1, 2, 3}) != zoft::kernel::drawn_radius({2, 2, 3}));

  const zoft::kernel e{.epsilon = 0.5, .queries = 3, .scale = 2};
  std::vector<double> losses, expected;
  for (std::uint32_t i = 0; i < 6; ++i) {
    const double r = zoft::kernel::drawn_radius({7, 9, i % 3});
    const auto p = e.at(i, at_step(9));
    CHECK(p.query == i % 3);
    CHECK(p.scale == (i < 3 ? 0.5 * r : -0.5 * r));
    losses.push_back(3 * p.scale);  // slope 3
    if (i < 3) expected.push_back(3 * r * 2 * zoft::kernel::weight(r) / 3);
  }
  const auto c = coefficients_of(e, losses, at_step(9));
  for (std::size_t i = 0; i < 3; ++i) CHECK(c[i] == Approx(expected[i]).epsilon(1e-14));
}

TEST_CASE("hessian_informed: two_point's coefficients, and curvatures that are exact for a parabola", "[estimator]") {
  const zoft::hessian_informed e{.epsilon = 0.25, .queries = 2};
  REQUIRE(e.evaluations() == 5);
  const double scale[] = {0, 0.25, 0.25, -0.25, -0.25};
  std::vector<double> losses;
  for (std::size_t i = 0; i < 5; ++i) {
    const auto p = e.at(i);
    CHECK(p.scale == scale[i]);
    CHECK(p.query == (i == 0 ? 0 : (i - 1) % 2));
    // Along z₀: 3 + 5s + 7s²; along z₁: 3 − s − 2s².
    losses.push_back(p.query == 0 ? 3 + 5 * p.scale + 7 * p.scale * p.scale : 3 - p.scale - 2 * p.scale * p.scale);
  }
  CHECK(coefficients_of(e, losses) == std::vector<double>{2.5, -0.5});
  std::vector<double> k(2);
  e.curvatures({.losses = losses}, k);
  CHECK(k == std::vector<double>{14, -4});
}

TEST_CASE("greedy: the best of three points, found in a second round", "[estimator]") {
  const zoft::greedy e{.epsilon = 0.25};
  REQUIRE(e.evaluations() == 5);
  step_view view{.name = {}, .rate = 0.5};
  CHECK(e.ready(view) == 2);
  CHECK(e.at(0, view).scale == 0.25);
  CHECK(e.at(1, view).scale == -0.25);
  const std::vector<double> two{2, 1};  // c = 2
  view.losses = two;
  CHECK(e.ready(view) == 5);
  CHECK(e.at(2, view).scale == 0);
  CHECK(e.at(3, view).scale == -1);
  CHECK(e.at(4, view).scale == 1);
  const auto best = [&](double stay, double down, double up) {
    return coefficients_of(e, {2, 1, stay, down, up}, view)[0];
  };
  CHECK(best(1, 0, 3) == 2);
  CHECK(best(1, 3, 0) == -2);
  CHECK(best(0, 1, 3) == 0);
  CHECK(best(1, 1, 1) == 0);
  CHECK(best(2, 1, 1) == 2);
}

TEST_CASE("greedy: never uphill, where plain descent at the same rate diverges", "[estimator]") {
  // Of 20 directions of condition 100 at a rate that is too high for most.
  const auto run = [](auto estimator) {
    zoft::engine tuner{zoft::gaussian{}, estimator, zoft::full{}, zoft::sgd{.learning_rate = 2e-3}, zoft::seed{5}};
    std::vector<double> x(20, 1.0);
    double last = ellipsoid<double>(x, 100);
    std::size_t uphill = 0, still = 0;
    for (int step = 0; step < 300; ++step) {
      const auto before = x;
      const auto report = tuner.step(std::span(x), [](std::span<const double> w) { return ellipsoid(w, 100); });
      const double now = ellipsoid<double>(x, 100);
      if (now > last * (1 + 1e-12)) ++uphill;
      if (report.projected_gradients[0] == 0) {
        ++still;
        REQUIRE(bits(x) == bits(before));
      }
      last = now;
    }
    return std::tuple(last, uphill, still);
  };
  const auto [kept, uphill, still] = run(zoft::greedy{.epsilon = 1e-3});
  CHECK(uphill == 0);
  CHECK(still > 0);
  CHECK(kept < 0.5 * ellipsoid<double>(std::vector<double>(20, 1.0), 100));
  const auto [lost, climbs, none] = run(zoft::two_point{.epsilon = 1e-3});
  CHECK(climbs > 0);
  CHECK(lost > kept);
}

TEST_CASE("greedy: goes with plain sgd only", "[estimator]") {
  CHECK(message([] {
          zoft::engine{zoft::gaussian{}, zoft::greedy{}, zoft::full{}, zoft::sgd{.decay = 0.5}};
        }) == "zoft: greedy: the optimizer's decay is 0.5, and must be 0");
  zoft::engine tuner{zoft::gaussian{}, zoft::greedy{}, zoft::full{}, zoft::sgd{}};
  tuner.optimizer().decay = 1;
  std::vector<float> x(3, 1.0f);
  CHECK(message([&] { tuner.step(std::span(x), [](std::span<const float>) { return 0.0; }); }) ==
        "zoft: greedy: the optimizer's decay is 1, and must be 0");
}

TEST_CASE("schedules: SPSA's gains", "[schedule]") {
  const auto rate = zoft::gain(0.602, 100), radius = zoft::gain(0.101);
  CHECK(rate(0) == 1);
  CHECK(radius(0) == 1);
  for (const std::uint32_t k : {1u, 10u, 1000u, 4'000'000'000u}) {
    // a/(A + 1 + k)^α over a/(A + 1)^α, and c/(k + 1)^γ over c.
    CHECK(rate(k) == Approx(std::pow(101.0, 0.602) / std::pow(101.0 + k, 0.602)).epsilon(1e-13));
    CHECK(radius(k) == Approx(std::pow(k + 1.0, -0.101)).epsilon(1e-13));
  }
  CHECK(zoft::schedule{.warmup = 3, .power = 1}(1) == Approx(0.5 / 2));
  CHECK(zoft::schedule{zoft::linear(10).shape, 10, 0, 1}(5) == Approx(0.5 / 6));
  CHECK(message([] { zoft::gain(-0.5).check(); }) == "zoft: schedule: power is -0.5, and must be at least 0");
  CHECK(message([] { zoft::gain(1, -2).check(); }) == "zoft: schedule: stability is -2, and must be at least 0");
}

TEST_CASE("estimators: a scheduled radius is that of the points and of the coefficients", "[estimator]") {
  const auto check = [](const auto& constant) {
    const auto factor = zoft::gain(1);
    const auto e = [&] {
      auto copy = constant;
      copy.radius = factor;
      return copy;
    }();
    for (const std::uint32_t step : {0u, 1u, 7u}) {
      const auto scaled = [&] {
        auto copy = constant;
        copy.epsilon = constant.epsilon * factor(step);
        return copy;
      }();
      std::vector<double> losses;
      for (std::size_t i = 0; i < e.evaluations(); ++i) losses.push_back(std::sin(static_cast<double>(i + 1)));
      step_view view{.name = {7, step, 0}, .rate = 0.1};
      const std::size_t first_round = zoft::estimation::ready(e, view);
      for (std::size_t i = 0; i < e.evaluations(); ++i) {
        view.losses = std::span(losses).first(i < first_round ? 0 : first_round);
        const auto p = zoft::estimation::at(e, i, view), expected = zoft::estimation::at(scaled, i, view);
        CHECK(p.query == expected.query);
        CHECK(p.scale == expected.scale);
      }
      CHECK(coefficients_of(e, losses, view) == coefficients_of(scaled, losses, view));
      view.losses = losses;
      CHECK(zoft::estimation::curvatures(e, view) == zoft::estimation::curvatures(scaled, view));
    }
  };
  check(zoft::two_point{.queries = 2});
  check(zoft::one_sided{.queries = 2});
  check(zoft::residual{.before = 0.3});
  check(zoft::leave_one_out{.queries = 3});
  check(zoft::standardised{.queries = 3});
  check(zoft::evolution{.queries = 3});
  check(zoft::kernel{.queries = 2});
  check(zoft::hessian_informed{.queries = 2});
  check(zoft::greedy{});
  check(zoft::standardised_per_example{.queries = 3});

  // As the functor sees it: signs around 0.
  zoft::engine tuner{zoft::rademacher{}, zoft::two_point{.epsilon = 0.5, .radius = zoft::gain(1)}, zoft::full{},
                     zoft::sgd{.learning_rate = 0}};
  std::vector<double> x(5, 0.0);
  for (std::uint32_t step = 0; step < 4; ++step)
    tuner.step(std::span(x), [&](std::span<const double> w) {
      for (const double v : w) CHECK(std::abs(v) == 0.5 * zoft::gain(1)(step));
      return 0.0;
    });
}

TEST_CASE("estimators of differences: options out of range name the value", "[estimator]") {
  check_messages_of_radius<zoft::residual>("residual");
  check_messages_of_radius<zoft::kernel>("kernel");
  check_messages_of_queries<zoft::kernel>("kernel", 1);
  check_messages_of_radius<zoft::hessian_informed>("hessian_informed");
  check_messages_of_queries<zoft::hessian_informed>("hessian_informed", 1);
  check_messages_of_radius<zoft::greedy>("greedy");
  CHECK(message([] { zoft::kernel{.scale = 0}.check(); }) == "zoft: kernel: scale is 0, and must be above 0");
}
