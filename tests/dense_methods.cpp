// Named methods with dense directions, all put to the same tests.
#include <limits>
#include <zoft/method/fzoo.hpp>
#include <zoft/method/hizoo.hpp>
#include <zoft/method/kerzoo.hpp>
#include <zoft/method/one_point.hpp>
#include <zoft/method/openes.hpp>
#include <zoft/method/sparse_mezo.hpp>
#include <zoft/method/spsa.hpp>
#include <zoft/method/zo_conservative.hpp>

#include "core_support.hpp"

namespace dense_methods_tests {

using namespace core_test;

namespace {

template <class T>
std::vector<T> start() {
  std::vector<T> x;
  for (std::size_t i = 0; i < 20; ++i) x.push_back(T(std::cos(static_cast<float>(i))));
  return x;
}

// A rotated ellipsoid of condition 100.
template <class T>
double loss(std::span<const T> x) {
  return ellipsoid(x, 100);
}

/// f(name, tuner, forwards a step)
template <class F>
void each_method(F f) {
  f("fzoo", zoft::fzoo({.epsilon = 1e-3, .learning_rate = 3e-5, .seed = 1}), 9u);
  f("fzoo as released", zoft::fzoo({.learning_rate = 3e-2, .form = zoft::standardisation::released, .seed = 1}), 9u);
  f("hizoo", zoft::hizoo({.learning_rate = 1e-3, .queries = 2, .smoothing = 1e-3, .seed = 1}), 5u);
  f("kerzoo", zoft::kerzoo({.epsilon = 1e-2, .learning_rate = 1e-4, .seed = 1}), 2u);
  f("zo_conservative", zoft::zo_conservative({.learning_rate = 1e-3, .seed = 1}), 5u);
  f("sparse_mezo", zoft::sparse_mezo({.density = 0.8, .learning_rate = 1e-3, .seed = 1}), 2u);
  f("one_point", zoft::one_point({.epsilon = 1e-1, .learning_rate = 3e-5, .seed = 1}), 1u);
  f("spsa", zoft::spsa({.a = 2e-2, .stability = 20, .seed = 1}), 2u);
  f("openes", zoft::openes({.learning_rate = 3e-4, .seed = 1}), 16u);
  f("openes with z-scores",
    zoft::openes({.population = 6, .learning_rate = 1e-4, .fitness = zoft::fitness::z_score, .seed = 1}), 6u);
}

template <class T>
void losses_of(const zoft::candidates<T>& c, std::span<double> losses) {
  for (std::size_t i = 0; i < c.size(); ++i) losses[i] = loss(c[i]);
}

/// One step by ask and tell, round by round.
template <class Tuner, class T>
zoft::step_report by_hand(Tuner& tuner, std::vector<T>& x) {
  std::vector<double> losses;
  while (losses.size() < tuner.evaluations()) {
    const auto c = tuner.ask(std::span<const T>(x), std::span<const double>(losses));
    REQUIRE(c.size() > 0);
    std::vector<double> round(c.size());
    losses_of(c, round);
    losses.insert(losses.end(), round.begin(), round.end());
  }
  return tuner.tell(std::span(x), losses);
}

/// Evaluates the losses of a step in place of its engine.
struct elsewhere {
  std::size_t calls = 0;

  template <class Engine, class X, class F>
  std::vector<double> losses(Engine& tuner, X& x, F& f) {
    ++calls;
    std::vector<double> all;
    while (all.size() < tuner.evaluations()) {
      const auto c = tuner.ask(x, std::span<const double>(all));
      for (std::size_t i = 0; i < c.size(); ++i) all.push_back(f(c[i]));
    }
    return all;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("methods: each lowers a rotated ellipsoid, at the forwards that it says", "[method]", float,
                   double) {
  using T = TestType;
  each_method([](const char* name, auto tuner, std::size_t forwards) {
    CAPTURE(name);
    auto x = start<T>();
    const double before = loss<T>(x);
    for (int step = 0; step < 400; ++step) {
      std::size_t calls = 0;
      const auto report = tuner.step(std::span(x), [&](std::span<const T> w) { return ++calls, loss(w); });
      if (calls != forwards || report.evaluations != forwards || report.status != zoft::status::ok)
        FAIL(name << " took " << calls << " forwards, and reports " << report.evaluations);
    }
    CHECK(loss<T>(x) < 0.7 * before);
  });
}

TEMPLATE_TEST_CASE("methods: in place, as copies, and by hand round by round: the same bits", "[method]", float,
                   double) {
  using T = TestType;
  each_method([](const char* name, const auto& tuner, std::size_t) {
    CAPTURE(name);
    auto one = tuner, all = tuner, told = tuner;
    auto x = start<T>(), y = x, v = x;
    for (int step = 0; step < 20; ++step) {
      const auto a = one.step(std::span(x), [](std::span<const T> w) { return loss(w); });
      const auto b = all.step(std::span(y), [](zoft::candidates<T> c, std::span<double> l) { losses_of(c, l); });
      const auto c = by_hand(told, v);
      REQUIRE(a.projected_gradients == b.projected_gradients);
      REQUIRE(a.projected_gradients == c.projected_gradients);
    }
    CHECK(bits(x) != bits(start<T>()));
    CHECK(bits(x) == bits(y));
    CHECK(bits(x) == bits(v));
  });
}

TEST_CASE("methods: a later round is asked for in pieces, too", "[method]") {
  auto x = start<double>();
  const std::span<const double> view(x);
  auto tuner = zoft::zo_conservative({.learning_rate = 1e-3, .seed = 1});
  const std::vector<double> none, told{3, 2};
  const auto numbers = [](const zoft::candidates<double>& c) {
    return std::vector<double>(c.stack().begin(), c.stack().end());
  };
  CHECK(numbers(tuner.ask(view, none, 1, 1)) == numbers(tuner.ask(view, 1, 1)));
  const std::vector<double> whole = numbers(tuner.ask(view, told));
  REQUIRE(whole.size() == 3 * x.size());
  CHECK(numbers(tuner.ask(view, told, 1)) == std::vector<double>(whole.begin() + 20, whole.end()));
  CHECK(numbers(tuner.ask(view, told, 1, 1)) == std::vector<double>(whole.begin() + 20, whole.begin() + 40));
  CHECK(numbers(tuner.ask(view, told, 2, 5)) == std::vector<double>(whole.begin() + 40, whole.end()));
  CHECK(message([&] { tuner.ask(view, told, 3); }) == "zoft: engine: candidate 5 was asked, and a step has 5");
  CHECK(tuner.ask(view, std::vector<double>(5)).size() == 0);
}

TEST_CASE("methods: a step whose losses are evaluated elsewhere is that of the functor", "[method]") {
  elsewhere where;
  auto x = start<float>(), y = x;
  auto here = zoft::zo_conservative({.learning_rate = 1e-3, .seed = 1}), there = here;
  for (int i = 0; i < 5; ++i) {
    const auto a = here.step(std::span(x), loss<float>), b = there.step(std::span(y), loss<float>, where);
    CHECK(a.projected_gradients == b.projected_gradients);
  }
  CHECK(bits(x) == bits(y));
  CHECK(where.calls == 5);
}

TEMPLATE_TEST_CASE("methods: a functor that throws at any of its calls leaves every bit, and the step undone",
                   "[method]", float, double) {
  using T = TestType;
  struct stop {};
  each_method([](const char* name, const auto& tuner, std::size_t forwards) {
    CAPTURE(name);
    for (std::size_t fatal = 0; fatal < forwards; ++fatal) {
      auto disturbed = tuner, undisturbed = tuner;
      auto x = start<T>(), y = x;
      for (int step = 0; step < 3; ++step) {
        const auto before = bits(x);
        std::size_t one_by_one = 0, stacked = 0;
        CHECK_THROWS_AS(disturbed.step(std::span(x),
                                       [&](std::span<const T> w) {
                                         if (one_by_one++ == fatal) throw stop{};
                                         return loss(w);
                                       }),
                        stop);
        REQUIRE(bits(x) == before);
        CHECK_THROWS_AS(disturbed.step(std::span(x),
                                       [&](zoft::candidates<T> c, std::span<double> l) {
                                         losses_of(c, l);
                                         if ((stacked += c.size()) > fatal) throw stop{};
                                       }),
                        stop);
        REQUIRE(bits(x) == before);
        disturbed.step(std::span(x), [](std::span<const T> w) { return loss(w); });
        undisturbed.step(std::span(y), [](std::span<const T> w) { return loss(w); });
      }
      REQUIRE(bits(x) == bits(y));
    }
  });
}

TEMPLATE_TEST_CASE("methods: a loss that is not finite, in any place, leaves every bit and every memory", "[method]",
                   float, double) {
  using T = TestType;
  each_method([](const char* name, const auto& tuner, std::size_t forwards) {
    CAPTURE(name);
    const auto plain = [](std::span<const T> w) { return loss(w); };
    // A run whose third step was lost for one reason is that of any other.
    std::vector<pattern<T>> expected;
    for (std::size_t at = 0; at < forwards; ++at)
      for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity()}) {
        auto run = tuner;
        auto x = start<T>();
        for (int step = 0; step < 2; ++step) run.step(std::span(x), plain);
        const auto before = bits(x);
        std::size_t call = 0;
        const auto report = run.step(std::span(x), [&](std::span<const T> w) { return call++ == at ? bad : loss(w); });
        REQUIRE(report.status == zoft::status::not_finite);
        REQUIRE(bits(x) == before);
        for (int step = 0; step < 3; ++step) REQUIRE(run.step(std::span(x), plain).status == zoft::status::ok);
        REQUIRE(bits(x) != before);
        if (expected.empty()) expected = bits(x);
        REQUIRE(bits(x) == expected);
      }
  });
}

TEST_CASE("methods: options are checked where they are given", "[method]") {
  CHECK(message([] { zoft::openes({.population = 5}); }) ==
        "zoft: openes: population is 5, and must be an even number, at least 2");
  CHECK(message([] { zoft::openes({.population = 0}); }) ==
        "zoft: openes: population is 0, and must be an even number, at least 2");
  CHECK(message([] { zoft::fzoo({.queries = 1}); }) == "zoft: standardised: queries is 1, and must be at least 2");
  CHECK(message([] { zoft::spsa({.alpha = -1}); }) == "zoft: schedule: power is -1, and must be at least 0");
}

TEST_CASE("fzoo: the two forms are one run where the rate makes up for ε, and another where it does not", "[method]") {
  const auto run = [](zoft::standardisation form, double rate) {
    auto tuner = zoft::fzoo({.epsilon = 0x1p-10, .learning_rate = rate, .form = form, .seed = 5});
    auto x = start<double>();
    for (int step = 0; step < 10; ++step) tuner.step(std::span(x), loss<double>);
    return x;
  };
  using enum zoft::standardisation;
  const auto a = run(published, 0x1p-15), b = run(released, 0x1p-5), c = run(released, 0x1p-15);
  CHECK(bits(a) == bits(b));
  CHECK(bits(a) != bits(c));
}

TEST_CASE("spsa: rate and radius follow Spall's gains", "[method]") {
  auto tuner = zoft::spsa({.a = 0.5, .c = 0.25, .stability = 10, .seed = 5});
  std::vector<double> x(3, 0.0);
  for (std::uint32_t k = 0; k < 20; ++k) {
    std::vector<double> before = x;
    const auto report = tuner.step(std::span(x), [&](std::span<const double> w) {
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(std::abs(w[i] - before[i]) == Approx(0.25 / std::pow(k + 1.0, 0.101)).epsilon(1e-12));
      return 0.0;
    });
    CHECK(report.learning_rate == Approx(0.5 / std::pow(10 + 1.0 + k, 0.602)).epsilon(1e-12));
  }
}

}  // namespace dense_methods_tests
