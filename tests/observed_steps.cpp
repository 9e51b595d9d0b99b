// Steps along directions made from what a forward at θ showed.
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/method/observed.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/schedule/linear.hpp>

#include "estimator_support.hpp"
#include "observed_support.hpp"

using namespace core_test;

namespace {

/// The bits of parameters after some steps of `tuner`, each by step(tuner, x).
template <class Tuner, class F>
auto after_steps(Tuner tuner, const net& n, F step) {
  std::vector<float> x;
  for (const double v : n.start()) x.push_back(static_cast<float>(v));
  for (int i = 0; i < 3; ++i) step(tuner, x);
  return bits(x);
}

}  // namespace

TEST_CASE("observed: a step by its definition", "[observed]") {
  constexpr std::size_t B = 4, queries = 2, all = queries * B;
  const net n{.examples = B, .tokens = 6};
  for (const bool guided : {true, false}) {
    const zoft::observed_options o{.examples = B,
                                   .queries = queries,
                                   .rank = 3,
                                   .guided = guided,
                                   .epsilon = 1e-2,
                                   .learning_rate = 0.1,
                                   .decay = 0.2,
                                   .schedule = zoft::linear(4),
                                   .seed = 8};
    auto tuner = zoft::observed(o, zoft::full{.layout = n.shape()});
    matrix x = n.start();
    for (std::uint32_t step = 0; step < 2; ++step) {
      const auto s = sampler_of(n.shape(), n.seen(x, {8, step, 0}, queries, 3), guided);
      matrix expected = x;
      std::vector<double> slopes;
      std::vector<matrix> z;
      for (std::uint32_t i = 0; i < all; ++i) {
        z.push_back(noise<double>(s, {8, step, i}, x.size()));
        matrix there = x;
        for (std::size_t j = 0; j < x.size(); ++j) there[j] += o.epsilon * z[i][j];
        slopes.push_back((n.loss(std::span<const double>(there), i % B) - n.loss(std::span<const double>(x), i % B)) /
                         o.epsilon / B);
      }
      const double rms = std::sqrt(inner(slopes, slopes) / all);
      for (std::size_t j = 0; j < x.size(); ++j) {
        double g = o.decay * x[j];
        for (std::size_t i = 0; i < all; ++i) g += slopes[i] / queries / (rms / queries * all + 1e-8) * z[i][j];
        expected[j] -= o.learning_rate * o.schedule(step) * g;
      }
      const auto report = tuner.step(std::span(x), n);
      CHECK(report.evaluations == queries + 1);
      for (std::size_t j = 0; j < x.size(); ++j) CHECK(x[j] == Approx(expected[j]).epsilon(1e-11));
    }
  }
}

TEST_CASE("observed: step, calls of fewer candidates, and ask with tell give the same bits", "[observed]") {
  const net n{.examples = 4, .tokens = 6};
  const auto tuner =
      zoft::observed({.examples = 4, .queries = 2, .rank = 3, .seed = 8}, zoft::full{.layout = n.shape()});
  const auto stepped =
      after_steps(tuner, n, [&](auto& t, auto& x) { CHECK(t.step(std::span(x), n).status == zoft::status::ok); });
  const auto told = after_steps(tuner, n, [&](auto& t, auto& x) {
    std::vector<double> losses(12);
    const auto at_theta = t.ask(std::span(x));
    REQUIRE(at_theta.size() == 4);
    REQUIRE(t.seen().asked());
    REQUIRE(t.seen().step() == t.direction(t.steps(), 0));
    n.write(at_theta, std::span(losses).first(4), t.seen());
    const auto rest = t.ask(std::span(x), std::span<const double>(losses).first(4));
    REQUIRE(rest.size() == 8);
    REQUIRE_FALSE(t.seen().asked());
    n.write(rest, std::span(losses).subspan(4), t.seen());
    CHECK(t.tell(std::span(x), losses).status == zoft::status::ok);
  });
  CHECK(told == stepped);
  const zoft::engine limited{tuner.sampler(),   tuner.estimator(), zoft::full{.layout = n.shape()},
                             tuner.optimizer(), zoft::seed{8},     zoft::per_call{4}};
  const auto in_parts = after_steps(limited, n, [&](auto& t, auto& x) { t.step(std::span(x), n); });
  CHECK(in_parts == stepped);
}

TEST_CASE("observed: a functor that throws, and losses that are not finite, leave no trace", "[observed]") {
  const net n{.examples = 4, .tokens = 6}, other{.examples = 4, .tokens = 6, .x = gaussians({2, 2, 2}, 4 * 6 * 7)};
  const auto tuner =
      zoft::observed({.examples = 4, .queries = 2, .rank = 3, .seed = 8}, zoft::full{.layout = n.shape()});
  const auto stepped = after_steps(tuner, n, [&](auto& t, auto& x) { t.step(std::span(x), n); });
  for (int at = 0; at < 2; ++at) {
    INFO("it throws in call " << at);
    const auto again = after_steps(tuner, n, [&](auto& t, auto& x) {
      const auto before = bits(x);
      int call = 0;
      CHECK_THROWS_AS(t.step(std::span(x),
                             [&](const auto& c, zoft::example_losses losses, observations& seen) {
                               other(c, losses, seen);
                               if (call++ == at) throw 1;
                             }),
                      int);
      CHECK(bits(x) == before);
      t.step(std::span(x), n);
    });
    const bool same = again == stepped;
    CHECK(same);
  }
  auto bad = tuner;
  matrix x = n.start();
  const auto before = bits(x);
  const auto report = bad.step(std::span(x), [&](const auto& c, zoft::example_losses losses, observations& seen) {
    n(c, losses, seen);
    losses[0] = std::numeric_limits<double>::quiet_NaN();
  });
  CHECK(report.status == zoft::status::not_finite);
  CHECK(bits(x) == before);
  CHECK(bad.step(std::span(x), n).status == zoft::status::ok);
}

namespace {

/// Of one step of size 1 from a point, many times: the mean of −(x′ − x)·g/|g|², its standard error, and the mean
/// cosine.
struct descent {
  double mean = 0, error = 0, cosine = 0;
};
template <class Tuner, class F>
descent descent_of(Tuner tuner, const net& n, F functor, int steps) {
  const matrix start = n.start(), g = n.gradient(start);
  matrix along;
  descent result;
  for (int step = 0; step < steps; ++step) {
    matrix x = start;
    tuner.step(std::span(x), functor);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = start[i] - x[i];
    along.push_back(inner(x, g) / inner(g, g));
    result.cosine += cosine(x, g) / steps;
  }
  for (const double v : along) result.mean += v / steps;
  for (const double v : along) result.error += (v - result.mean) * (v - result.mean) / steps;
  result.error = std::sqrt(result.error / steps);
  return result;
}

}  // namespace

TEST_CASE("observed: wrong gradients never send a step uphill on average", "[observed]") {
  net n{.examples = 4, .tokens = 6};
  const zoft::observed_options o{
      .examples = 4, .queries = 2, .rank = 3, .epsilon = 1e-4, .learning_rate = 1, .seed = 4};
  const auto of = [&](const zoft::observed_options& with, auto functor, int steps) {
    return descent_of(zoft::observed(with, zoft::full{.layout = n.shape()}), n, functor, steps);
  };
  const descent right = of(o, n, 1);
  n.told = -1;
  const descent opposite = of(o, n, 1);
  CHECK(right.mean > 0);
  CHECK(right.cosine > 0.5);
  CHECK(opposite.mean == Approx(right.mean).epsilon(1e-2));  // slopes change by O(ε)

  n.told = 1;
  std::uint32_t call = 0;
  const auto random = [&](const auto& c, zoft::example_losses losses, observations& seen) {
    n(c, losses, seen);
    for (auto& e : seen.entries()) {
      *e.gradients = floats(gaussians({11, call++, 0}, e.gradients->size()));
    }
  };
  const descent wrong = of(o, random, 300);
  CHECK(wrong.mean > 5 * wrong.error);
  zoft::observed_options plain = o;
  plain.guided = false;
  const descent gaussian = of(plain, n, 300);
  CHECK(gaussian.mean > 5 * gaussian.error);
}

TEST_CASE("observed: steps are nearer to the gradient than those of per_example_lozo, at as many forwards",
          "[observed]") {
  const net n{.examples = 8, .tokens = 6, .in = 30, .hidden = 24, .out = 10};
  const zoft::observed_options o{.examples = 8, .rank = 6, .epsilon = 1e-4, .learning_rate = 1, .seed = 4};
  const auto without = [&](const zoft::candidates<double>& c, zoft::example_losses losses) {
    observations none;
    n(c, losses, none);
  };
  zoft::observed_options plain = o;
  plain.guided = false;
  const zoft::full adapter{.layout = n.shape()};
  const descent guided = descent_of(zoft::observed(o, adapter), n, n, 20),
                unguided = descent_of(zoft::observed(plain, adapter), n, n, 200),
                blind = descent_of(
                    zoft::per_example_lozo(
                        {.examples = 8, .queries = 1, .rank = 6, .epsilon = 1e-4, .learning_rate = 1}, adapter),
                    n, without, 200);
  INFO("cosines " << guided.cosine << ", " << unguided.cosine << ", " << blind.cosine);
  CHECK(guided.cosine > 0.8);
  CHECK(unguided.cosine > 2 * blind.cosine);
  CHECK(blind.cosine > 0);
}

TEST_CASE("normalised: the root mean square in place of the deviation, if uncentred", "[estimator]") {
  const std::vector<double> losses{1, 1.25, 1.5, 1.25};  // slopes 1, 2 and 1, each a third of that
  for (const bool uncentred : {false, true}) {
    const zoft::normalised<zoft::one_sided> e{.of = {.epsilon = 0.25, .queries = 3}, .uncentred = uncentred};
    const auto c = coefficients_of(e, losses);
    const double spread = std::sqrt(uncentred ? 6.0 / 27 : 2.0 / 81);
    for (std::size_t i = 0; i < 3; ++i) CHECK(c[i] == Approx((i == 1 ? 2 : 1) / 3.0 / (3 * spread + 1e-8)));
  }
  CHECK_FALSE(zoft::normalised<zoft::one_sided>{}.uncentred);
  CHECK(coefficients_of(zoft::normalised<zoft::one_sided>{.of = {.queries = 2}, .uncentred = true}, {1, 1, 1}) ==
        std::vector<double>{0, 0});
}

TEST_CASE("observed: bad input is named", "[observed]") {
  const net n{.examples = 2, .tokens = 3};
  matrix x = n.start();
  const zoft::full adapter{.layout = n.shape()};
  auto tuner = zoft::observed({.examples = 2, .rank = 3}, adapter);
  CHECK(message([&] {
          tuner.step(std::span(x), [](const auto&, zoft::example_losses losses, observations&) {
            std::ranges::fill(losses.values(), 1.0);
          });
        }) == "zoft: engine: the functor showed nothing of the model at θ, where it was asked to");
  const auto of_batch = [](const auto&, std::span<double>, observations&) {};
  zoft::engine two_sided{zoft::observed_rows{}, zoft::two_point{}, adapter, zoft::sgd{}};
  CHECK(message([&] { two_sided.step(std::span(x), of_batch); }) ==
        "zoft: engine: the sampler needs to see the model at θ, and the estimator begins with 0 points there, and must "
        "with 1, or 1 for each example: take one_sided, or per_example of it");
  auto without_rows = zoft::observed({.examples = 2, .rank = 0}, adapter);
  CHECK(message([&] { without_rows.step(std::span(x), n); }) ==
        "zoft: observed_rows: rank is 0, and must be at least 1");
  auto other_layout =
      zoft::engine{zoft::observed_rows{.layout = adapter.layout}, zoft::one_sided{}, zoft::full{}, zoft::sgd{}};
  std::vector<double> few(7);
  CHECK(message([&] { other_layout.step(std::span(few), of_batch); }) ==
        "zoft: observed_rows: its layout has 76 elements, and the parameters are 7 numbers");
  CHECK(x == n.start());
}

namespace {

constexpr const char* accepted_text = "no std::invalid_argument was thrown";

/// What a step says of a functor that shows observations by `show`, on a matrix "a" (3, 5) beside a vector "v".
template <class Show>
std::string refusal_of(Show show) {
  zoft::layout shape;
  shape.add("v", 4);
  shape.add("a", 3, 5);
  auto tuner = zoft::observed({.examples = 2, .rank = 2}, zoft::full{.layout = shape});
  std::vector<float> x(shape.size(), 0.5f);
  const auto before = bits(x);
  const std::string result = message([&] {
    tuner.step(std::span(x), [&](const auto& c, zoft::example_losses losses, observations& seen) {
      if (seen.asked()) show(seen);
      for (std::size_t i = 0; i < c.size(); ++i) losses[i] = double{c[i][5]};
    });
  });
  const bool accepted = result == accepted_text;
  CHECK((bits(x) == before) != accepted);
  return accepted ? "" : result;
}

/// Fills in what was added last; outputs of `noted` are noted.
void fill(observations& seen, std::size_t noted) {
  auto& e = seen.entries().back();
  for (std::size_t s = 0; s < seen.slots(); ++s) {
    std::ranges::fill(e.input(s), 1.0f);
    if (e.gradients != nullptr) std::ranges::fill(e.gradient(s), 1.0f);
    e.note_outputs(s, std::vector<float>(noted, 1.0f));
  }
}

}  // namespace

TEST_CASE("observed: observations that nothing can be made of are named", "[observed]") {
  CHECK(refusal_of([](observations& seen) { seen.add("a", 5, 3), fill(seen, 3); }) == "");
  CHECK(refusal_of([](observations& seen) { seen.add("A", 5, 3), fill(seen, 3); }) ==
        "zoft: observed_rows: 'A' was shown, and must be a matrix of the layout, which has 'a', for instance");
  CHECK(refusal_of([](observations& seen) {
          seen.add(5, {{"a", 0, 3}, {"b", 3, 3}}), fill(seen, 6);
        }) == "zoft: observed_rows: 'b' was shown, and must be a matrix of the layout, which has 'a', for instance");
  CHECK(refusal_of([](observations& seen) { seen.add("v", 1, 4), fill(seen, 4); }) ==
        "zoft: observed_rows: 'v' was shown, and must be a matrix: in the layout it is a vector, and vectors rest");
  CHECK(refusal_of([](observations& seen) { seen.add("a", 4, 3), fill(seen, 3); }) ==
        "zoft: observed_rows: 'a' was shown with 4 inputs and 3 outputs, and must have 5 and 3, as in the layout");
  CHECK(refusal_of([](observations& seen) { seen.add("a", 5, 3); }) ==
        "zoft: observations: the inputs of 'a' were filled in for 0 of 4 rows, and must be for at least 1: see "
        "entry::input()");
  CHECK(refusal_of([](observations& seen) { seen.add("a", 5, 3, true).inputs.assign(20, 1.0f); }) ==
        "zoft: observations: the gradients of 'a' were filled in for 0 of 4 rows, and must be for at least 1: see "
        "entry::gradient(), or add it without gradients");
  CHECK(refusal_of([](observations& seen) { seen.add("a", 5, 3).inputs.assign(19, 1.0f); }) ==
        "zoft: observations: the inputs of 'a' are 19 numbers, and must be 4 rows of 5");
  // None are noted, or not all outputs of the linear.
  for (const std::size_t noted : {0u, 2u})
    CHECK(refusal_of([&](observations& seen) { seen.add("a", 5, 3), fill(seen, noted); }) ==
          "zoft: observed_rows: 'a' had its outputs noted for 0 of 4 rows, and must have for at least 1: see "
          "observations::entry::note_outputs()");
}

TEST_CASE("observed: what is 0, and was filled in, is not taken for what is missing", "[observed]") {
  zoft::layout shape;
  shape.add("a", 3, 5);
  for (const bool inputs : {true, false}) {
    auto tuner = zoft::observed({.examples = 2, .rank = 2}, zoft::full{.layout = shape});
    std::vector<float> x(shape.size(), 0.5f);
    const auto before = bits(x);
    const auto report = tuner.step(std::span(x), [&](const auto& c, zoft::example_losses losses, observations& seen) {
      if (seen.asked()) {
        auto& e = seen.add("a", 5, 3);
        std::ranges::fill(e.inputs, inputs ? 0.0f : 1.0f);
        for (std::size_t s = 0; s < seen.slots(); ++s) e.note_outputs(s, std::vector<float>(3, inputs ? 1.0f : 0.0f));
      }
      for (std::size_t i = 0; i < c.size(); ++i) losses[i] = double{c[i][5]};
    });
    CHECK(bits(x) == before);
    CHECK(report.status == zoft::status::ok);
    CHECK(report.moved == 0);
  }
}

TEST_CASE("observed: what was refused can be shown again", "[observed]") {
  const net n{.examples = 4, .tokens = 6};
  auto tuner = zoft::observed({.examples = 4, .rank = 3, .seed = 8}, zoft::full{.layout = n.shape()}), other = tuner;
  matrix x = n.start(), stepped = x;
  other.step(std::span(stepped), n);
  std::vector<double> losses(8);
  const auto at_theta = tuner.ask(std::span(x));
  n.write(at_theta, std::span(losses).first(4), tuner.seen());
  tuner.seen().entries()[0].parts[0].name = "misspelt";
  const auto rest = [&] { return tuner.ask(std::span(x), std::span<const double>(losses).first(4)); };
  CHECK_THROWS_AS(rest(), std::invalid_argument);
  CHECK_THROWS_AS(rest(), std::invalid_argument);  // nothing was shown since
  n.write(at_theta, std::span(losses).first(4), tuner.seen());
  n.write(rest(), std::span(losses).subspan(4), tuner.seen());
  tuner.tell(std::span(x), losses);
  CHECK(bits(x) == bits(stepped));
}

TEST_CASE("observed: an adapter of which nothing is shown is named", "[observed]") {
  zoft::layout linears;
  linears.add("q", 6, 8);
  auto tuner = zoft::observed({.examples = 2, .rank = 2}, zoft::lora_fa{.rank = 2, .alpha = 2});
  tuner.attach(linears);
  const auto step = [&](const char* name) {
    return message([&] {
      tuner.step([&](const auto& c, zoft::example_losses losses, observations& seen) {
        if (seen.asked()) seen.add(name, 8, 6), fill(seen, 6);
        for (std::size_t i = 0; i < c.size(); ++i) losses[i] = static_cast<double>(i % 3);
      });
    });
  };
  CHECK(step("Q") ==
        "zoft: engine: of the linears that the functor showed, 0 have an adapter, and at least 1 must, such as that of "
        "'q.lora_B'");
  CHECK(step("q") == accepted_text);
}
