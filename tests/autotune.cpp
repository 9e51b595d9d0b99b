#include <limits>
#include <zoft/autotune.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

#include "autotune_support.hpp"

using namespace core_test;
using namespace autotune_test;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

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

namespace {

/// An optimizer within another, as those that wrap one are made.
struct wrapped {
  zoft::sgd optimizer = {};
  void check() const { optimizer.check(); }
  double rate(std::uint32_t step) const { return optimizer.rate(step); }
  template <zoft::number T>
  void apply(std::span<T> x, std::span<zoft::arithmetic_t<T>> g, const zoft::update::piece& p) {
    optimizer.apply<T>(x, g, p);
  }
};

/// Central differences over ε in every other step, and over ε/4 in those between, the first of them.
struct alternating : zoft::two_point {
  zoft::point at(std::size_t i, const zoft::step_view& view) const {
    const zoft::point p = i < queries ? zoft::point{i, epsilon} : zoft::point{i - queries, -epsilon};
    return {p.query, view.name.step % 2 == 0 ? p.scale / 4 : p.scale};
  }
};

}  // namespace

TEST_CASE("autotune: rates of wrapped optimizers, and radii that change from step to step", "[autotune]") {
  const auto tune = [](auto estimator, auto optimizer) {
    auto x = start<double>(40);
    zoft::engine tuner{zoft::gaussian{}, estimator, zoft::full{}, optimizer, zoft::seed{2}};
    const auto found = zoft::autotune(tuner, std::span(x), waves<double>{});
    CHECK(tuner.optimizer().rate(0) == found.learning_rate);
    return found;
  };
  const auto plain = tune(zoft::two_point{}, zoft::sgd{});
  CHECK(tune(zoft::two_point{}, wrapped{}).why() == plain.why());
  CHECK(tune(alternating{}, zoft::sgd{}).epsilon == plain.epsilon);
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
