// 8-bit weights, trained where they are.
#include <algorithm>
#include <zoft/adapter/full.hpp>
#include <zoft/adapter/quantised.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "core_support.hpp"

namespace quantised_tests {

using namespace core_test;

namespace {

using codes = std::vector<std::int8_t>;
using shown = std::span<const std::int8_t>;

// Rows of an odd length, so that pieces begin within rows and within bytes of residuals.
zoft::layout shape() {
  zoft::layout result;
  result.add("weight", 83, 51);
  result.add("bias", 27);
  return result;
}

std::vector<float> scales() {
  std::vector<float> result;
  for (std::size_t i = 0; i < 83 + 27; ++i) result.push_back(0.002f * static_cast<float>(1 + i % 7));
  return result;
}

// All codes that there are, those at the limits often.
codes all_codes() {
  codes result;
  for (std::size_t i = 0; i < shape().size(); ++i)
    result.push_back(
        static_cast<std::int8_t>(i % 5 == 0 ? (i % 2 == 0 ? 127 : -127) : static_cast<int>(i % 255) - 127));
  return result;
}

auto tuner(const zoft::two_point& estimator, double rate = 0, std::uint64_t seed = 42) {
  return zoft::engine{zoft::gaussian{}, estimator, zoft::quantised{shape(), scales()}, zoft::sgd{.learning_rate = rate},
                      zoft::seed{seed}};
}

auto forgetful(std::size_t history, const zoft::two_point& estimator, double rate) {
  return zoft::engine{zoft::gaussian{}, estimator, zoft::quantised{shape(), scales(), history},
                      zoft::sgd{.learning_rate = rate}, zoft::seed{42}};
}

// A function of codes with a slope at each of them.
double quadratic(shown w) {
  double sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += w[i] * (w[i] - static_cast<int>(i % 90));
  return 1e-4 * sum;
}

// What a regression is made from: 6 classes by a linear map, of 100 points in 24 dimensions.
struct classes {
  static constexpr std::size_t inputs = 24, outputs = 6, points = 100;
  std::vector<float> x = noise<float>(zoft::gaussian{}, {5, 0, 0}, points* inputs);
  std::vector<std::size_t> of = labels();

  std::vector<std::size_t> labels() const {
    const auto map = noise<float>(zoft::gaussian{}, {5, 1, 0}, outputs * inputs);
    std::vector<std::size_t> result;
    for (std::size_t i = 0; i < points; ++i) {
      std::vector<double> sum(outputs);
      for (std::size_t c = 0; c < outputs; ++c)
        for (std::size_t j = 0; j < inputs; ++j) sum[c] += map[c * inputs + j] * x[i * inputs + j];
      result.push_back(static_cast<std::size_t>(std::max_element(sum.begin(), sum.end()) - sum.begin()));
    }
    return result;
  }

  // weight(i) is that of row-major (outputs, inputs), then of the bias.
  template <class F>
  double loss(F weight) const {
    double result = 0;
    for (std::size_t i = 0; i < points; ++i) {
      double sum = 0, of_label = 0;
      for (std::size_t c = 0; c < outputs; ++c) {
        double logit = weight(outputs * inputs + c);
        for (std::size_t j = 0; j < inputs; ++j) logit += weight(c * inputs + j) * x[i * inputs + j];
        sum += std::exp(logit);
        if (c == of[i]) of_label = logit;
      }
      result += (std::log(sum) - of_label) / points;
    }
    return result;
  }
};

// z = 1.
struct constant {
  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction, std::uint64_t = 0) const {
    for (T& value : x) value += a;
  }
};

}  // namespace

TEST_CASE("quantised: any sequence of points leaves no trace, also at the limits", "[quantised]") {
  const zoft::layout of = shape();
  zoft::moved_buffer<zoft::quantised_codes> buffer;
  buffer.medium().start(of, scales());
  const std::vector<zoft::extent> parts = zoft::extents(zoft::full{of}, of, of.size(), {});
  const auto start = all_codes();
  auto x = start;
  std::uint32_t step = 0;
  for (const double scale : {1e-4, 1e-2, 0.1, 1.0, 1e6})
    for (const auto& [query, a] : {std::pair{0u, scale}, {0u, -scale}, {1u, scale}, {2u, -3 * scale}, {2u, scale}}) {
      buffer.move(std::span(x), parts, zoft::gaussian{}, {query, a}, {42, ++step / 5, query});
      CHECK(std::all_of(x.begin(), x.end(), [](std::int8_t code) { return code >= -127; }));
      CHECK(x != start);
      if (step % 2 == 0) continue;
      buffer.restore(std::span(x), parts, zoft::gaussian{});
      REQUIRE((x == start));
    }
  buffer.restore(std::span(x), parts, zoft::gaussian{});
  CHECK((x == start));
}

// round(εz/s) is within 1 of εz/s, so that its mean over m steps is within 5/√(4m) of theirs at 5 deviations: no
// rounding of one number to one of two neighbours has a variance above 1/4.
TEST_CASE("quantised: a perturbation is rounded without bias, and -ε is the mirror of ε", "[quantised]") {
  constexpr std::size_t steps = 4000, n = 64;
  zoft::layout one;
  one.add("row", n);
  const std::vector<float> scale(n, 0.01f);
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 0.003}, zoft::quantised{one, scale},
                     zoft::sgd{.learning_rate = 0}, zoft::seed{7}};
  codes x(n, 3);
  std::vector<double> bias(n);
  for (std::uint32_t step = 0; step < steps; ++step) {
    codes plus;
    tuner.step(std::span(x), [&](shown seen) {
      if (plus.empty()) {
        plus.assign(seen.begin(), seen.end());
        const auto z = noise<float>(zoft::gaussian{}, tuner.direction(step, 0), n);
        for (std::size_t i = 0; i < n; ++i) bias[i] += (plus[i] - 3 - 0.003 * z[i] / 0.01) / steps;
      } else {
        for (std::size_t i = 0; i < n; ++i) REQUIRE(seen[i] - 3 == 3 - plus[i]);
      }
      return 0.0;
    });
  }
  for (const double b : bias) CHECK(std::abs(b) < 5 / std::sqrt(4.0 * steps));
}

// Each step pushes each code by 1/50 of one. Rounded to codes and forgotten, nothing would ever move.
TEST_CASE("quantised: what is less than a code adds up", "[quantised]") {
  constexpr std::size_t n = 200;
  zoft::layout column;
  column.add("column", n);
  const float scale = 0.01f;
  zoft::engine tuner{constant{}, zoft::two_point{.epsilon = 0.01}, zoft::quantised{column, std::vector(n, scale)},
                     zoft::sgd{.learning_rate = 0.01 / 50}, zoft::seed{42}};
  codes x(n, -20);
  // c = −1: the weights go up by the rate.
  for (int step = 0; step < 500; ++step) {
    int call = 0;
    tuner.step(std::span(x), [&](shown) { return ++call == 1 ? -0.01 : 0.01; });
  }
  // In sixteenths a step is 0.32, rounded at a variance of 0.32·0.68. What is left in the residual is at most half.
  const double deviation = std::sqrt(500 * 0.32 * 0.68) / 16;
  double mean = 0;
  for (const std::int8_t code : x) {
    mean += (code + 10.0) / n;
    CHECK(std::abs(code + 10) < 5 * deviation + 0.5);
  }
  CHECK(std::abs(mean) < 5 * std::sqrt((deviation * deviation + 1.0 / 12) / n));
}

// A sixteenth of a code is the least that moves, and what is less moves one as often as it is part of one.
TEST_CASE("quantised: the report says what share of the codes moved", "[quantised]") {
  const auto moved = [](double rate) {
    codes w(shape().size(), 3);
    int i = 0;
    return tuner({.epsilon = 0.01}, rate).step(std::span(w), [&](shown) { return i++ == 0 ? 1.02 : 1.0; }).moved;
  };
  // c = 1: changes are of |z|, far more than a sixteenth of any scale, and then of a ten-thousandth of that.
  CHECK(moved(1) > 0.99);
  CHECK(moved(1e-6) < 0.1);
  CHECK(moved(0) == 0);
}

// The definition: residuals are kept here, and there made again from the steps since they were last 0.
TEST_CASE("quantised: with a history, residuals are those that the steps since the last rounding left", "[quantised]") {
  constexpr std::size_t queries = 2;
  const auto history = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
  const double rate = GENERATE(1e-5, 2e-3);  // of less than a code, and of hundreds
  CAPTURE(history, rate);
  std::vector<float> of_row;
  for (std::size_t row = 0; row < scales().size(); ++row) of_row.insert(of_row.end(), row < 83 ? 51 : 1, scales()[row]);
  codes x = all_codes(), expected = x;
  const std::size_t n = x.size();
  auto of_codes = forgetful(history, {.epsilon = 0.01, .queries = queries}, rate);
  std::vector<int> owed(n, 0);
  const auto uniform = [](const zoft::direction& d) {
    std::vector<float> u(shape().size(), 0.0f);
    zoft::random::drawn<zoft::random::symmetric>{d, zoft::random::stream::update_rounding}.axpy(std::span(u), 0.5f, 0);
    return u;
  };
  using zoft::simd::rounded;
  const auto round = [](float value) { return static_cast<int>(std::nearbyint(value)); };
  std::size_t applied = 0, differ = 0;
  for (std::uint32_t step = 0; step < 13; ++step) {
    const auto report =
        of_codes.step(std::span(x), [&](shown w) { return step % 4 == 3 ? std::nan("") : quadratic(w); });
    if (report.status == zoft::status::ok) {
      const bool last = ++applied % history == 0;
      std::vector<float> change(n, 0.0f);
      for (std::uint32_t query = 0; query < queries; ++query)
        zoft::gaussian{}.axpy(std::span(change), static_cast<float>(of_codes.record().values[query]),
                              {42, step, query});
      const auto u = uniform({42, step, 0}), v = uniform({42, step, 1});
      for (std::size_t i = 0; i < n; ++i) {
        const int before = (owed[i] + 8) >> 4;
        const float moved = rounded(rounded(static_cast<float>(-rate) * change[i]) / of_row[i]);
        owed[i] += round(std::clamp(rounded(16 * moved), -4096.0f, 4096.0f) + u[i]);
        const int after = last ? round(static_cast<float>(owed[i]) / 16 + v[i]) : (owed[i] + 8) >> 4;
        expected[i] = static_cast<std::int8_t>(std::clamp(expected[i] + after - before, -127, 127));
        if (last) owed[i] = 0;
      }
    }
    for (std::size_t i = 0; i < n; ++i) differ += x[i] != expected[i];
  }
  CHECK(applied == 10);
  CHECK(differ == 0);
  CHECK(x != all_codes());
}

TEST_CASE("quantised: idle steps and what throws leave every bit, and the residuals", "[quantised]") {
  const auto start = all_codes();
  const auto loss = [](shown w) {
    double sum = 0;
    for (const std::int8_t code : w) sum += code * code;
    return 1e-3 * sum;
  };
  auto x = start, y = start;
  const auto history = GENERATE(std::size_t{0}, std::size_t{3});
  auto disturbed = forgetful(history, {.epsilon = 0.01, .queries = 2}, 1e-3), undisturbed = disturbed;
  for (int round = 0; round < 3; ++round) {
    disturbed.step(std::span(x), loss);
    undisturbed.step(std::span(y), loss);
    REQUIRE((x == y));
    CHECK(x != start);
    const auto before = x;
    for (int fatal = 0; fatal < 4; ++fatal) {
      int call = 0;
      const auto throws = [&](shown w) {
        if (call++ == fatal) throw 1;
        return loss(w);
      };
      CHECK_THROWS_AS(disturbed.step(std::span(x), throws), int);
      REQUIRE((x == before));
    }
    for (int idle = 0; idle < 100; ++idle) {
      disturbed.step(std::span(x), [](shown) { return 1.0; });
      undisturbed.step(std::span(y), [](shown) { return std::nan(""); });
    }
    REQUIRE((x == before));
  }
}

TEST_CASE("quantised: a regression on codes ends where it does in float", "[quantised]") {
  const classes problem;
  zoft::layout of;
  of.add("weight", classes::outputs, classes::inputs);
  of.add("bias", classes::outputs);
  const float scale = 0.02f;
  const auto of_codes = [&](shown w) { return problem.loss([&](std::size_t i) { return double{scale} * w[i]; }); };
  const auto of_floats = [&](std::span<const float> w) { return problem.loss([&](std::size_t i) { return w[i]; }); };
  const auto check = [&](const auto& optimizer, std::size_t history = 0) {
    const zoft::two_point estimator{.epsilon = 0.02, .queries = 2};
    const zoft::quantised adapter{of, std::vector<float>(2 * classes::outputs, scale), history};
    zoft::engine on_codes{zoft::rademacher{}, estimator, adapter, optimizer, zoft::seed{42}};
    zoft::engine on_floats{zoft::rademacher{}, estimator, zoft::full{of}, optimizer, zoft::seed{42}};
    codes x(of.size(), 0);
    std::vector<float> y(of.size(), 0.0f);
    const double start = of_codes(x);
    for (int step = 0; step < 600; ++step) {
      on_codes.step(std::span(x), of_codes);
      on_floats.step(std::span(y), of_floats);
    }
    CAPTURE(start, of_codes(x), of_floats(y));
    CHECK(of_codes(x) < start / 2);
    CHECK(of_codes(x) < 1.1 * of_floats(y));
  };
  check(zoft::sgd{.learning_rate = 0.02});
  check(zoft::sgd{.learning_rate = 0.02}, 16);
  check(zoft::momentum{.learning_rate = 0.002});
  check(zoft::adam{.learning_rate = 0.01});
}

// Recorded; every instruction set must give it.
TEST_CASE("quantised: the same bits everywhere", "[quantised]") {
  auto x = all_codes();
  zoft::engine tuned{zoft::gaussian{}, zoft::two_point{.epsilon = 0.01, .queries = 2},
                     zoft::quantised{shape(), scales()}, zoft::sgd{.learning_rate = 1e-3, .decay = 0.1},
                     zoft::seed{42}};
  std::uint64_t hash = 14695981039346656037u;
  const auto add = [&](std::int8_t code) { hash = (hash ^ static_cast<std::uint8_t>(code)) * 1099511628211u; };
  for (int step = 0; step < 5; ++step)
    tuned.step(std::span(x), [&](shown w) {
      std::int64_t sum = 0;
      for (const std::int8_t code : w) {
        add(code);
        sum += code * (code - 7);
      }
      return 0x1p-12 * static_cast<double>(sum);
    });
  std::for_each(x.begin(), x.end(), add);
  CHECK(hash == 0x8c4f5610c5cd7709u);
}

TEST_CASE("quantised: what is wrong is named", "[quantised]") {
  const auto refusal = [](zoft::layout of, std::vector<float> with) {
    return message([&] { zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::quantised{of, with}, zoft::sgd{}}; });
  };
  CHECK(refusal({}, {}) == "zoft: quantised: the layout is empty, and must have the tensors of the buffer");
  CHECK(refusal(shape(), {1.0f}) == "zoft: quantised: there are 1 scales, and the layout has 110 rows");
  CHECK(refusal(shape(), std::vector<float>(110, 0.0f)) == "zoft: quantised: a scale is 0, and must be above 0");
  const auto with_history = [](const auto& optimizer) {
    return message([&] {
      zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::quantised{shape(), scales(), 16}, optimizer};
    });
  };
  CHECK(with_history(zoft::sgd{.decay = 0.1}) ==
        "zoft: quantised: history is 16, and must be 0 with an optimizer that decays weights: changes would depend on "
        "them");
  CHECK(with_history(zoft::adam{}) ==
        "zoft: quantised: history is 16, and must be 0 with an optimizer that keeps anything: its changes cannot be "
        "made again");
  codes x(10);
  CHECK(message([&] { tuner({}).step(std::span(x), [](shown) { return 0.0; }); }) ==
        "zoft: engine: the parameters are 10 numbers, and the layout has 4260");
}

}  // namespace quantised_tests
