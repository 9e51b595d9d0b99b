// The engine's promises. A known fault of this field would break each of them.
#include <limits>
#include <optional>
#include <zoft/engine.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/prge.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "core_support.hpp"

using namespace core_test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

template <class T>
std::vector<T> start(std::size_t n) {
  std::vector<T> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(T(0.01f * static_cast<float>(i % 17) - 0.05f));
  return x;
}

}  // namespace

TEMPLATE_TEST_CASE("engine: what is applied is −η Σ cᵢzᵢ, along the directions that were evaluated", "[engine]", float,
                   double, zoft::bfloat16, zoft::half) {
  using T = TestType;
  using A = zoft::arithmetic_t<T>;
  const auto check = [](const auto& sampler, const auto& estimator) {
    const std::size_t n = 5000, q = estimator.queries;
    const double rate = 0.01;
    zoft::engine tuner{sampler, estimator, zoft::full{}, zoft::sgd{.learning_rate = rate}, zoft::seed{7}};
    auto x = start<T>(n);
    for (std::uint32_t step = 0; step < 3; ++step) {
      const auto before = x;
      std::vector<double> losses;
      const auto report = tuner.step(std::span(x), [&](std::span<const T> w) {
        losses.push_back(std::sin(static_cast<double>(losses.size() + 3 * step)) +
                         static_cast<double>(static_cast<A>(w[0])));
        return losses.back();
      });
      std::vector<double> c(q);
      estimator.coefficients({.losses = losses}, c);
      std::vector<A> g(n, A{0});
      for (std::uint32_t i = 0; i < q; ++i)
        tuner.sampler().axpy(std::span<A>(g), static_cast<A>(c[i]), tuner.direction(step, i));
      std::vector<T> expected;
      for (std::size_t j = 0; j < n; ++j) {
        const A exact = multiply_add(static_cast<A>(-rate), g[j], static_cast<A>(before[j]));
        if constexpr (sizeof(T) == 2)
          expected.push_back(rounded_update<T>(exact, 7, step, j));
        else
          expected.push_back(exact);
      }
      CHECK(bits(x) == bits(expected));
      CHECK(bits(x) != bits(before));

      CHECK(report.step == step);
      CHECK(report.evaluations == losses.size());
      CHECK(report.status == zoft::status::ok);
      CHECK(report.learning_rate == rate);
      REQUIRE(report.projected_gradients.size() == q);
      double mean = 0;
      for (const double l : losses) mean += l / static_cast<double>(losses.size());
      CHECK(report.probe_loss == Approx(mean));
      for (std::size_t i = 0; i < q; ++i) CHECK(report.projected_gradients[i] == Approx(c[i] * static_cast<double>(q)));
    }
  };
  check(zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2, .queries = 1});
  check(zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2, .queries = 3});
  check(zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-2, .queries = 2});
}

TEST_CASE("engine: the update depends on the losses, also with one query", "[engine]") {
  for (const std::size_t q : {1u, 4u})
    for (const auto loops : {zoft::parallel::outer, zoft::parallel::outer_and_inner}) {
      const auto change = [&](double slope) {
        auto tuner = zoft::prge({.queries = q, .epsilon = 0.5, .learning_rate = 1, .loops = loops, .seed = 3});
        std::vector<double> x(100, 0.0);
        std::size_t asked = 0;
        tuner.step(std::span(x), [&](zoft::candidates<double>, std::span<double> losses) {
          for (double& l : losses) l = asked++ < q ? 5 + slope : 5 - slope;
        });
        return x;
      };
      const auto once = change(1), twice = change(2), back = change(-1);
      CHECK(change(0) == std::vector<double>(100, 0.0));
      for (std::size_t i = 0; i < once.size(); ++i) {
        REQUIRE(once[i] != 0);
        REQUIRE(twice[i] == 2 * once[i]);
        REQUIRE(back[i] == -once[i]);
      }
    }
}

TEST_CASE("engine: a step with a loss that is not finite is reported and not applied", "[engine]") {
  const auto check = [](auto x, double bad) {
    using T = typename decltype(x)::value_type;
    const auto before = x;
    auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1, .queries = 2, .seed = 1});
    for (std::uint32_t at = 0; at < 4; ++at) {
      std::uint32_t i = 0;
      const auto report = tuner.step(std::span(x), [&](std::span<const T>) { return i++ == at ? bad : 1.0 + i; });
      CHECK(report.status == zoft::status::not_finite);
      CHECK(report.step == at);
      CHECK(tuner.steps() == at + 1);
      CHECK(bits(x) == bits(before));
    }
    // A functor that leaves a loss unwritten is found out.
    const auto forgetful = [](zoft::candidates<T>, std::span<double> losses) { losses[0] = losses[1] = losses[3] = 1; };
    CHECK(tuner.step(std::span(x), forgetful).status == zoft::status::not_finite);
    CHECK(bits(x) == bits(before));
    // The steps after it go on as those of a run in which it was told.
    CHECK(tuner.step(std::span(x), [](std::span<const T> w) { return static_cast<double>(w[0]); }).status ==
          zoft::status::ok);
    CHECK(bits(x) != bits(before));
  };
  for (const double bad : {not_a_number, infinite, -infinite}) {
    check(start<float>(70), bad);
    check(start<double>(70), bad);
  }
}

TEST_CASE("engine: losses whose slope overflows the arithmetic are not applied", "[engine]") {
  // 1e200 is a finite loss, but no float: x would be infinite.
  auto x = start<float>(70);
  const auto before = x;
  auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1, .seed = 1});
  int i = 0;
  const auto report = tuner.step(std::span(x), [&](std::span<const float>) { return i++ == 0 ? 1e200 : 0.0; });
  CHECK(report.status == zoft::status::not_finite);
  CHECK(bits(x) == bits(before));
}

TEST_CASE("engine: momentum keeps its state through a rejected step", "[engine]") {
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2}, zoft::full{},
                     zoft::momentum{.learning_rate = 1e-2}, zoft::seed{5}};
  std::vector<double> x(50, 1.0);
  const auto loss = [](std::span<const double> w) { return sphere(w); };
  tuner.step(std::span(x), loss);
  const auto velocity = tuner.optimizer().velocity;
  tuner.step(std::span(x), [](std::span<const double>) { return not_a_number; });
  CHECK(std::get<std::vector<double>>(tuner.optimizer().velocity.all) == std::get<std::vector<double>>(velocity.all));
}

TEST_CASE("engine: wrong sizes and options are said", "[engine]") {
  std::vector<float> x(10), y(11), none;
  const auto loss = [](std::span<const float>) { return 1.0; };
  auto tuner = zoft::mezo({.seed = 1});
  CHECK(message([&] { tuner.step(std::span(none), loss); }) ==
        "zoft: engine: the parameters are an empty span, and must be at least one number");
  tuner.step(std::span(x), loss);
  CHECK(message([&] { tuner.step(std::span(y), loss); }) ==
        "zoft: engine: the parameters are 11 numbers, and were 10 before");
  CHECK(message([&] { tuner.tell(std::span(x), std::vector<double>(3)); }) ==
        "zoft: engine: 3 losses were told, and a step has 2");
  CHECK(message([&] { tuner.ask(std::span<const float>(x), 2); }) ==
        "zoft: engine: candidate 2 was asked, and a step has 2");
  CHECK(tuner.steps() == 1);

  zoft::layout shape;
  shape.add("w", 3, 4);
  auto shaped = zoft::mezo({.seed = 1}, shape);
  CHECK(message([&] { shaped.step(std::span(x), loss); }) ==
        "zoft: engine: the parameters are 10 numbers, and the layout has 12");

  CHECK(message([] { zoft::mezo({.epsilon = 0}); }) == "zoft: two_point: epsilon is 0, and must be above 0");
  CHECK(message([] { zoft::mezo({.epsilon = -1e-3}); }) == "zoft: two_point: epsilon is -0.001, and must be above 0");
  CHECK(message([] { zoft::mezo({.epsilon = not_a_number}); }) ==
        "zoft: two_point: epsilon is nan, and must be above 0");
  CHECK(message([] { zoft::mezo({.learning_rate = -1}); }) == "zoft: sgd: learning_rate is -1, and must be at least 0");
  CHECK(message([] { zoft::prge({.queries = 0}); }) == "zoft: two_point: queries is 0, and must be at least 1");
}

TEST_CASE("engine: what ask returned stays as it is for as long as it is held", "[engine]") {
  const std::vector<float> x(33, 1.0f), other(33, 2.0f);
  auto tuner = zoft::prge({.queries = 2, .epsilon = 0.5, .seed = 3});
  const auto values = [](const zoft::candidates<float>& c) {
    return std::vector<float>(c.stack().begin(), c.stack().end());
  };
  const std::vector<float> first = values(tuner.ask(std::span(x), 0, 2)), last = values(tuner.ask(std::span(x), 2, 2));
  const auto one = tuner.ask(std::span(x), 0, 2), two = tuner.ask(std::span(x), 2, 2);
  std::optional copy = one;
  auto moved = x;
  tuner.step(std::span(moved), [&](zoft::candidates<float> c, std::span<double> losses) {
    for (std::size_t i = 0; i < c.size(); ++i) losses[i] = static_cast<double>(c[i][0]);
  });
  CHECK((values(one) == first));
  CHECK((values(two) == last));
  CHECK((values(*copy) == first));
  // A buffer that nobody holds any more is used again.
  copy.reset();
  const float* const place = tuner.ask(std::span(other)).stack().data();
  CHECK(tuner.ask(std::span(other)).stack().data() == place);
}

TEST_CASE("engine: ask in ranges gives the candidates of the whole", "[engine]") {
  auto x = start<double>(4500);
  const auto before = x;
  const std::span<const double> view(x);
  const auto check = [&](auto tuner) {
    const auto c = tuner.ask(view);
    REQUIRE(c.size() == tuner.evaluations());
    REQUIRE(c.dimension() == x.size());
    REQUIRE(c.stack().size() == c.size() * x.size());
    const std::vector<double> whole(c.stack().begin(), c.stack().end());
    std::vector<double> pieces;
    for (std::size_t first = 0, count = 1; first < tuner.evaluations(); first += count, ++count) {
      const auto piece = tuner.ask(view, first, count);
      CHECK(piece.size() == std::min(count, tuner.evaluations() - first));
      pieces.insert(pieces.end(), piece.stack().begin(), piece.stack().end());
    }
    CHECK(pieces == whole);
    for (std::size_t i = 0; i < tuner.evaluations(); ++i) {
      const zoft::point p = tuner.estimator().at(i);
      const auto z = noise<double>(tuner.sampler(), tuner.direction(0, static_cast<std::uint32_t>(p.query)), x.size());
      for (std::size_t j = 0; j < x.size(); ++j)
        REQUIRE(whole[i * x.size() + j] == (p.scale == 0 ? x[j] : moved<double>(x[j], p.scale, z[j])));
    }
    CHECK(x == before);
  };
  check(zoft::mezo({.epsilon = 1e-2, .queries = 4, .seed = 9}));
  check(zoft::engine{zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-2, .queries = 5}, zoft::full{},
                     zoft::sgd{.learning_rate = 1e-2}, zoft::seed{9}});
}

TEST_CASE("engine: how many candidates a call is handed", "[engine]") {
  std::vector<float> x(10, 1.0f);
  const auto calls = [&](zoft::parallel loops) {
    std::vector<std::size_t> sizes;
    auto tuner = zoft::prge({.queries = 3, .loops = loops});
    tuner.step(std::span(x), [&](zoft::candidates<float> c, std::span<double> losses) {
      CHECK(losses.size() == c.size());
      sizes.push_back(c.size());
      std::fill(losses.begin(), losses.end(), 1.0);
    });
    return sizes;
  };
  CHECK(calls(zoft::parallel::outer_and_inner) == std::vector<std::size_t>{6});
  CHECK(calls(zoft::parallel::outer) == std::vector<std::size_t>{3, 3});
}

TEST_CASE("engine: one seed gives one run, another another", "[engine]") {
  const auto run = [](std::uint64_t seed) {
    auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-3, .queries = 2, .seed = seed});
    auto x = start<float>(300);
    for (int step = 0; step < 5; ++step) tuner.step(std::span(x), [](std::span<const float> w) { return sphere(w); });
    return x;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
  CHECK(run(1) != run(1 + (std::uint64_t{1} << 32)));
}
