// Estimators that compare a step's losses with one another: leave_one_out, standardised, evolution, and the per-example
// ones.
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/evolution.hpp>
#include <zoft/estimator/leave_one_out.hpp>
#include <zoft/estimator/normalised.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/per_example.hpp>
#include <zoft/estimator/standardised.hpp>
#include <zoft/estimator/standardised_per_example.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>

#include "estimator_support.hpp"

using namespace core_test;

static_assert(zoft::estimator<zoft::leave_one_out> && zoft::estimator<zoft::standardised> &&
              zoft::estimator<zoft::evolution> && zoft::estimator<zoft::standardised_per_example> &&
              zoft::estimator<zoft::per_example<zoft::one_sided>> &&
              zoft::estimator<zoft::normalised<zoft::two_point>>);

namespace {

using numbers = std::vector<double>;

void check_close(const numbers& a, const numbers& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-14).margin(1e-300));
}

// Losses that no arithmetic averages to themselves: 0.1 + 0.1 + 0.1 is not 3·0.1.
numbers equal(std::size_t count) { return numbers(count, 0.1); }

}  // namespace

TEST_CASE("leave_one_out: each loss against the mean of the others", "[estimator]") {
  const zoft::leave_one_out e{.epsilon = 0.25, .queries = 3};
  REQUIRE(e.evaluations() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(e.at(i).query == i);
    CHECK(e.at(i).scale == 0.25);
  }
  // (1 − 6.5)/0.75, (5 − 4.5)/0.75, (8 − 3)/0.75
  check_close(coefficients_of(e, {1, 5, 8}), {-5.5 / 0.75, 0.5 / 0.75, 5 / 0.75});
  CHECK(coefficients_of(e, equal(3)) == numbers(3, 0.0));
}

TEST_CASE("standardised: differences from the base over the deviation of the others", "[estimator]") {
  zoft::standardised e{.epsilon = 0.25, .queries = 3};
  REQUIRE(e.evaluations() == 4);
  CHECK(e.at(0).scale == 0);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(e.at(1 + i).query == i);
    CHECK(e.at(1 + i).scale == 0.25);
  }
  // Deviations from 4 are −1, −2 and 3: σ² = 14/2. The base, far away, is none of them.
  const numbers losses{100, 3, 2, 7};
  const double unit = std::sqrt(7.0) * 3;
  check_close(coefficients_of(e, losses), {-97 / unit / 0.25, -98 / unit / 0.25, -93 / unit / 0.25});
  e.form = zoft::standardisation::released;
  check_close(coefficients_of(e, losses), {-97 / unit, -98 / unit, -93 / unit});
}

TEST_CASE("standardised: the released program's form is ε times the published one", "[estimator]") {
  for (const double epsilon : {1e-3, 0.3}) {
    const zoft::standardised published{.epsilon = epsilon, .queries = 4};
    auto released = published;
    released.form = zoft::standardisation::released;
    const numbers losses{1, 1.1, 0.7, 0.9, 1.3};
    const auto p = coefficients_of(published, losses), r = coefficients_of(released, losses);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(r[i] == Approx(epsilon * p[i]).epsilon(1e-14));
      CHECK(r[i] != p[i]);
    }
  }
}

TEST_CASE("estimators of populations: of equal losses nothing is learnt, and nothing is divided by 0", "[estimator]") {
  for (const auto form : {zoft::standardisation::published, zoft::standardisation::released})
    CHECK(coefficients_of(zoft::standardised{.queries = 7, .form = form}, equal(8)) == numbers(7, 0.0));
  // Also where the base differs.
  CHECK(coefficients_of(zoft::standardised{.queries = 2}, {3, 1, 1}) == numbers(2, 0.0));
  for (const auto fitness : {zoft::fitness::z_score, zoft::fitness::centred_rank})
    CHECK(coefficients_of(zoft::evolution{.queries = 7, .fitness = fitness}, equal(14)) == numbers(7, 0.0));
  CHECK(coefficients_of(zoft::standardised_per_example{.queries = 7}, equal(14)) == numbers(7, 0.0));

  std::vector<float> x(30, 1.0f);
  const auto before = bits(x);
  zoft::engine tuner{zoft::gaussian{}, zoft::standardised{}, zoft::full{}, zoft::sgd{.learning_rate = 1}};
  CHECK(tuner.step(std::span(x), [](std::span<const float>) { return 0.1; }).status == zoft::status::ok);
  CHECK(bits(x) == before);
}

TEST_CASE("evolution: ranks run from −1/2 to 1/2, ties share", "[estimator]") {
  CHECK(zoft::estimation::centred_ranks(numbers{3, 1, 2}) == numbers{0.5, -0.5, 0});
  CHECK(zoft::estimation::centred_ranks(numbers{1, 1}) == numbers{0, 0});
  // Ranks 0, (1 + 2 + 3)/3 and 4 of 5.
  CHECK(zoft::estimation::centred_ranks(numbers{7, 7, -2, 7, 1e9}) == numbers{0, 0, -0.5, 0, 0.5});
  check_close(zoft::estimation::centred_ranks(numbers{5, 5, 1, 1}), {1.0 / 3, 1.0 / 3, -1.0 / 3, -1.0 / 3});
  // Of order alone, in whatever order they come.
  CHECK(zoft::estimation::centred_ranks(numbers{0.1, 1e300, -4, 2}) ==
        zoft::estimation::centred_ranks(numbers{2, 9, 1, 3}));
}

TEST_CASE("evolution: z-scores have mean 0 and deviation 1, whatever the scale of the losses", "[estimator]") {
  const auto s = zoft::estimation::z_scores(numbers{1, 2, 3, 6});
  const double sigma = std::sqrt((4 + 1 + 0 + 9) / 4.0);
  check_close(s, {-2 / sigma, -1 / sigma, 0, 3 / sigma});
  check_close(zoft::estimation::z_scores(numbers{10, 20, 30, 60}), s);
}

TEST_CASE("evolution: antithetic members, coefficients that descend", "[estimator]") {
  const zoft::evolution ranks{.epsilon = 0.25, .queries = 2};
  REQUIRE(ranks.evaluations() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(ranks.at(i).query == i % 2);
    CHECK(ranks.at(i).scale == (i < 2 ? 0.25 : -0.25));
  }
  // Losses rise along z₀ and fall along z₁: ĝ points up the loss, c₀ > 0 > c₁. Ranks of {4, 1, 2, 3} are 3, 0, 1, 2.
  check_close(coefficients_of(ranks, {4, 1, 2, 3}), {2.0 / 3, -2.0 / 3});
  const zoft::evolution scores{.epsilon = 0.25, .queries = 2, .fitness = zoft::fitness::z_score};
  const double sigma = std::sqrt(1.25);
  check_close(coefficients_of(scores, {4, 1, 2, 3}), {2 / sigma, -2 / sigma});
  // But for the deviation it is two_point.
  const auto plain = coefficients_of(zoft::two_point{.epsilon = 0.25, .queries = 2}, {4, 1, 2, 3});
  check_close(coefficients_of(scores, {4, 1, 2, 3}), {plain[0] / sigma, plain[1] / sigma});
}

TEST_CASE("standardised_per_example: losses of one example each, two forwards of the batch", "[estimator]") {
  const zoft::standardised_per_example e{.epsilon = 0.25, .queries = 3, .stabiliser = 0.5};
  REQUIRE(e.evaluations() == 6);
  CHECK(e.forwards() == 2);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(e.at(i).query == i % 3);
    CHECK(e.at(i).scale == (i < 3 ? 0.25 : -0.25));
  }
  // δ = {1, −1, 3}, about 1: σ² = (0 + 4 + 4)/3.
  const double unit = (std::sqrt(8.0 / 3) + 0.5) * 2 * 0.25 * 3;
  check_close(coefficients_of(e, {2, 4, 6, 1, 5, 3}), {1 / unit, -1 / unit, 3 / unit});
}

TEST_CASE("standardised_per_example: the report counts forwards of the batch, and an example has its own direction",
          "[estimator]") {
  constexpr std::size_t batch = 4;
  zoft::engine tuner{zoft::gaussian{}, zoft::standardised_per_example{.queries = batch}, zoft::full{},
                     zoft::sgd{.learning_rate = 1e-6}, zoft::seed{4}};
  std::vector<double> x(40, 1.0);
  // Only example 2 has a gradient: x moves along z₂ alone.
  const auto before = x;
  const auto report = tuner.step(std::span(x), [&](zoft::candidates<double> c, zoft::example_losses losses) {
    REQUIRE(c.size() == 2 * batch);
    for (std::size_t i = 0; i < c.size(); ++i) losses[i] = losses.example_of(i) == 2 ? sphere(c[i]) : 1.0;
  });
  CHECK(report.evaluations == 2);
  const auto z = noise<double>(zoft::gaussian{}, tuner.direction(0, 2), x.size());
  const double c = report.projected_gradients[2] / batch;
  CHECK(c != 0);
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i] == Approx(before[i] - 1e-6 * c * z[i]).epsilon(1e-14));
}

TEST_CASE("per_example: an estimate of each example's own losses, and their mean", "[estimator]") {
  const zoft::per_example<zoft::one_sided> e{.each = {.epsilon = 0.25, .queries = 2}, .examples = 3};
  REQUIRE(e.queries == 6);
  REQUIRE(e.evaluations() == 9);
  CHECK(e.forwards() == 3);
  for (std::size_t i = 0; i < 9; ++i) {
    CHECK(e.at(i).scale == (i < 3 ? 0 : 0.25));
    if (i >= 3) CHECK(e.at(i).query == i - 3);
  }
  // Bases 1, 2 and 4, then the examples' first directions, then their second.
  check_close(coefficients_of(e, {1, 2, 4, 1.5, 1, 4, 2, 3, 7}), [] {
    std::vector<double> c{0.5, -1, 0, 1, 1, 3};
    for (double& v : c) v /= 0.25 * 2 * 3;
    return c;
  }());
  // Of one example it is the estimator itself.
  const std::vector<double> losses{3, 1, 2, 7};
  const zoft::two_point alone{.epsilon = 0.5, .queries = 2};
  CHECK(coefficients_of(zoft::per_example<>{.each = alone, .examples = 1}, losses) == coefficients_of(alone, losses));
}

TEST_CASE("per_example: what does not go together says so", "[estimator]") {
  CHECK(message([] { zoft::per_example<>{.each = {.epsilon = 0}}.check(); }) ==
        "zoft: two_point: epsilon is 0, and must be above 0");
  CHECK(message([] { zoft::per_example<>{.examples = 0}.check(); }) ==
        "zoft: per_example: examples is 0, and must be at least 1");
  CHECK(message([] { zoft::per_example<>{.examples = 4, .queries = 5}.check(); }) ==
        "zoft: per_example: queries is 5, and must be examples times those of each, 4");
}

TEST_CASE("normalised: another's coefficients over the spread of its slopes", "[estimator]") {
  // Slopes 2, −2 and 6, about 2: σ² = (0 + 16 + 16)/3.
  const zoft::normalised<zoft::one_sided> e{.of = {.epsilon = 0.5, .queries = 3}, .stabiliser = 0.25};
  REQUIRE(e.queries == 3);
  CHECK(e.evaluations() == 4);
  CHECK(zoft::estimation::forwards(e) == 4);
  CHECK((e.at(0).scale == 0 && e.at(3).scale == 0.5 && e.at(3).query == 2));
  const double unit = (std::sqrt(32.0 / 3) + 0.25) * 3;
  check_close(coefficients_of(e, {1, 2, 0, 4}), {2 / unit, -2 / unit, 6 / unit});
  CHECK(coefficients_of(e, equal(4)) == numbers(3, 0.0));
  // Whatever the losses' scale, but for the stabiliser.
  const zoft::normalised<zoft::one_sided> bare{.of = {.queries = 3}, .stabiliser = 1e-290};
  CHECK(coefficients_of(bare, {1, 2, 0, 4}) == coefficients_of(bare, {8, 16, 0, 32}));
  // Of examples: forwards are theirs.
  const zoft::normalised<zoft::per_example<zoft::one_sided>> of_examples{.of = {.each = {.queries = 2}, .examples = 5}};
  CHECK((of_examples.queries == 10 && of_examples.evaluations() == 15 && of_examples.forwards() == 3));
  CHECK(message([] { zoft::normalised<zoft::two_point>{.of = {.queries = 1}}.check(); }) ==
        "zoft: normalised: queries is 1, and must be at least 2");
  CHECK(message([] { zoft::normalised<zoft::two_point>{.of = {.queries = 3}, .queries = 2}.check(); }) ==
        "zoft: normalised: queries is 2, and must be those of what is normalised, 3");
  CHECK(message([] { zoft::normalised<zoft::two_point>{.of = {.queries = 2}, .stabiliser = -1}.check(); }) ==
        "zoft: normalised: stabiliser is -1, and must be above 0");
  CHECK(message([] { zoft::normalised<zoft::two_point>{.of = {.epsilon = 0, .queries = 2}}.check(); }) ==
        "zoft: two_point: epsilon is 0, and must be above 0");
}

TEST_CASE("estimators of populations: options out of range name the value", "[estimator]") {
  check_messages_of_radius<zoft::leave_one_out>("leave_one_out");
  check_messages_of_queries<zoft::leave_one_out>("leave_one_out", 2);
  check_messages_of_radius<zoft::standardised>("standardised");
  check_messages_of_queries<zoft::standardised>("standardised", 2);
  check_messages_of_radius<zoft::evolution>("evolution");
  check_messages_of_queries<zoft::evolution>("evolution", 1);
  check_messages_of_radius<zoft::standardised_per_example>("standardised_per_example");
  check_messages_of_queries<zoft::standardised_per_example>("standardised_per_example", 2);
  CHECK(message([] { zoft::standardised_per_example{.stabiliser = 0}.check(); }) ==
        "zoft: standardised_per_example: stabiliser is 0, and must be above 0");
}
