// Runs whose examples are dealt out to ranks, which must be those of one engine by itself.
#include <optional>
#include <zoft/estimator/per_example.hpp>
#include <zoft/method/zo_conservative.hpp>
#include <zoft/mezo.hpp>

#include "small_model.hpp"

using namespace mpi_test;
using core_test::message;
using zoft::mpi::dealing;
using zoft::mpi::range;

namespace {

/// The loss of one example. Not inlined, so that all callers get the same roundings.
template <class T>
[[gnu::noinline]] double loss_on(std::span<const T> x, std::size_t example) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double off = core_test::value(x[i]) - std::cos(static_cast<double>(i * (example + 3)));
    sum += static_cast<double>(1 + i % 5) * off * off;
  }
  return sum / 7;
}

[[gnu::noinline]] double loss_on(const small_model& model, const zoft::low_rank_stack& c, std::size_t i,
                                 std::size_t example) {
  return model.loss(c, i) * static_cast<double>(1 + example);
}

/// The batch's, as one engine by itself is told it.
template <class T>
[[gnu::noinline]] double mean_on(std::span<const T> x, std::size_t examples) {
  double sum = loss_on(x, 0);
  for (std::size_t e = 1; e < examples; ++e) sum += loss_on(x, e);
  return sum / static_cast<double>(examples);
}

/// In place of all ranks, for tests with one deal or the other.
auto deal_out(zoft::mpi::ranks& all, dealing of, std::size_t examples) {
  return of == dealing::pairs ? all.pairs(examples) : all.examples(examples);
}

/// How many losses this rank evaluates of n candidates, counted one by one.
std::size_t losses_of(const zoft::mpi::ranks& all, dealing of, std::size_t n, std::size_t examples) {
  const bool pairs = of == dealing::pairs;
  return pairs ? share(n * examples, all) : n * share(examples, all);
}

/// Makes steps with all ranks and by one engine. `rounds` are how many candidates each has. The examples are other ones
/// in each step, and in the last their number is smaller, as that of a last batch is.
template <class T, class Engine>
void check_deal(Engine tuner, dealing of, std::size_t examples, std::vector<std::size_t> rounds, bool in_place) {
  CAPTURE(static_cast<int>(of), examples, in_place);
  zoft::mpi::ranks all(world());
  std::vector<T> x = start<T>(), y = x;
  Engine single = tuner;
  for (std::uint32_t i = 0; i < steps; ++i) {
    const std::size_t b = i + 1 < steps ? examples : (examples + 1) / 2;
    std::size_t evaluated = 0, expected = 0;
    const auto of_candidates = [&](const zoft::candidates<T>& c, range some, std::span<double> to) {
      REQUIRE(to.size() == c.size() * some.count);
      for (std::size_t k = 0; k < c.size(); ++k)
        for (std::size_t e = 0; e < some.count; ++e) to[k * some.count + e] = loss_on(c[k], some.first + e);
      evaluated += to.size();
    };
    const auto of_one = [&](std::span<const T> v, range some, std::span<double> to) {
      REQUIRE(to.size() == some.count);
      for (std::size_t e = 0; e < some.count; ++e) to[e] = loss_on(v, some.first + e);
      evaluated += to.size();
    };
    gathered = {};
    const zoft::step_report here = in_place ? tuner.step(std::span(x), of_one, deal_out(all, of, b))
                                            : tuner.step(std::span(x), of_candidates, deal_out(all, of, b));
    check_same(here, single.step(std::span(y), [&](std::span<const T> v) { return mean_on(v, b); }));
    REQUIRE((bits(x) == bits(y)));
    for (const std::size_t n : rounds) expected += losses_of(all, of, n, b);
    CHECK(evaluated == expected);
    CHECK(all.bytes() == 8 * (expected + rounds.size()) + (i == 0 ? 48 : 0));
    CHECK(all.bytes() == gathered.bytes + (i == 0 ? 48 : 0));
    CHECK(all.bytes() <= 8 * tuner.evaluations() * ((b + all.size() - 1) / all.size()) + 64);
  }
  CHECK((bits(x) != bits(start<T>())));
  CHECK_NOTHROW(all.check(std::span(x)));
}

}  // namespace

TEST_CASE("mpi: each loss has one rank, and shares differ by at most one unit") {
  for (std::size_t size = 1; size < 9; ++size)
    for (const dealing of : {dealing::candidates, dealing::examples, dealing::pairs})
      for (const std::size_t b : {1u, 2u, 5u, 16u})
        for (std::size_t n = 1; n < 13; ++n) {
          const bool whole = of == dealing::candidates;
          for (const std::size_t together : {1u, 3u}) {
            if (n % together > 0 || (together > 1 && !whole)) continue;
            CAPTURE(size, static_cast<int>(of), b, n, together);
            const zoft::mpi::deal d{of, whole ? 1 : b};
            std::vector<int> owners(n * d.examples);
            std::size_t least = n * d.examples, most = 0;
            for (std::size_t r = 0; r < size; ++r) {
              const auto blocks = zoft::mpi::share(d, n, together, r, size);
              CHECK(blocks.size() <= (of == dealing::pairs ? 3 : 1));
              for (const zoft::mpi::block& one : blocks) {
                CHECK(one.size() > 0);
                for (std::size_t i = 0; i < one.candidates.count; ++i)
                  for (std::size_t e = 0; e < one.examples.count; ++e)
                    ++owners.at((one.candidates.first + i) * d.examples + one.examples.first + e);
              }
              least = std::min(least, zoft::mpi::size_of(blocks));
              most = std::max(most, zoft::mpi::size_of(blocks));
            }
            CHECK(owners == std::vector<int>(owners.size(), 1));
            CHECK(most - least <= (of == dealing::examples ? n : together));
          }
        }
}

TEST_CASE("mpi: units stay together, and the last may be shorter") {
  std::size_t next = 0;
  for (std::size_t r = 0; r < 3; ++r) {
    const range own = zoft::mpi::part(8, 3, r, 3);
    CHECK(own.first == next);
    CHECK(own.count == (r < 2 ? 3 : 2));
    next += own.count;
  }
}

TEST_CASE("mpi: means are sums in the order of the examples") {
  CHECK(zoft::mpi::means({1, 1e16, -1e16, 3, 3, 6}, 2) == std::vector<double>{0, 4});
  CHECK(zoft::mpi::means({1e16, -1e16, 1}, 1) == std::vector<double>{1.0 / 3});
  CHECK(bits(zoft::mpi::means({-0.0, 5}, 2)) == bits(std::vector{-0.0, 5.0}));  // those of one example are its own
}

TEMPLATE_TEST_CASE("mpi: examples and pairs dealt out have the bits of one engine", "", float, double, zoft::bfloat16) {
  const auto mezo = zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .seed = 42});
  const auto several = zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 7});
  for (const dealing of : {dealing::examples, dealing::pairs})
    for (const std::size_t examples : {1u, 5u, 16u}) {
      check_deal<TestType>(mezo, of, examples, {2}, true);
      check_deal<TestType>(several, of, examples, {8}, false);
    }
}

TEST_CASE("mpi: examples dealt out in each of an estimator's rounds have the bits of one engine") {
  const auto tuner = zoft::zo_conservative({.epsilon = 1e-2, .learning_rate = 1e-3, .seed = 5});
  for (const dealing of : {dealing::examples, dealing::pairs})
    for (const bool in_place : {false, true}) check_deal<float>(tuner, of, 5, {2, 3}, in_place);
}

TEST_CASE("mpi: examples dealt out to an owning adapter have the bits of one engine") {
  const small_model model;
  constexpr std::size_t examples = 5;
  for (const dealing of : {dealing::examples, dealing::pairs})
    for (const std::size_t most : {0u, 1u, 3u}) {
      zoft::mpi::ranks all(world(), zoft::per_call{most});
      auto tuner =
          zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-4, .seed = 7}, zoft::lora_fa{.rank = 3});
      auto single = tuner;
      tuner.attach(model);
      single.attach(model);
      std::size_t largest = 0;
      for (std::uint32_t s = 0; s < steps; ++s) {
        const zoft::step_report here = tuner.step(
            [&](const auto& c, range some, std::span<double> to) {
              largest = std::max(largest, c.size());
              for (std::size_t i = 0; i < c.size(); ++i)
                for (std::size_t e = 0; e < some.count; ++e)
                  to[i * some.count + e] = loss_on(model, c, i, some.first + e);
            },
            deal_out(all, of, examples));
        check_same(here, single.step([&](const zoft::low_rank_stack& c, std::span<double> to) {
          for (std::size_t i = 0; i < c.size(); ++i) {
            double sum = 0;
            for (std::size_t e = 0; e < examples; ++e) sum += loss_on(model, c, i, e);
            to[i] = sum / static_cast<double>(examples);
          }
        }));
        REQUIRE(std::ranges::equal(tuner.adapter().parameters(), single.adapter().parameters()));
      }
      if (most > 0) CHECK(largest <= most);
      all.check(tuner);
    }
}

TEST_CASE("mpi: a rank whose examples fail ends the step on all") {
  zoft::mpi::ranks all(world());
  auto tuner = prge();
  auto x = start<float>();
  const auto failing = [&](bool throws) {
    return [&, throws](std::span<const float> v, range some, std::span<double> to) {
      for (std::size_t e = 0; e < some.count; ++e) {
        const bool last = some.first + e == 15;
        if (last && throws) throw std::logic_error("no example 15");
        to[e] = last ? std::numeric_limits<double>::infinity() : loss_on(v, some.first + e);
      }
    };
  };
  const std::size_t bad = all.size() - 1;
  for (const dealing of : {dealing::examples, dealing::pairs}) {
    const std::string said = outcome([&] { tuner.step(std::span(x), failing(true), deal_out(all, of, 16)); });
    // Pairs are in the order of the candidates, so other ranks have example 15 of other candidates.
    if (of == dealing::examples)
      CHECK(said == (all.rank() == bad
                         ? "logic: no example 15"
                         : "runtime: zoft: mpi: rank " + std::to_string(bad) + " threw in step 0: no example 15"));
    else
      CHECK(said.ends_with("no example 15"));
  }
  CHECK(tuner.steps() == 0);
  for (const dealing of : {dealing::examples, dealing::pairs})
    CHECK(tuner.step(std::span(x), failing(false), deal_out(all, of, 16)).status == zoft::status::not_finite);
  CHECK(tuner.steps() == 2);
  CHECK((bits(x) == bits(start<float>())));
}

TEST_CASE("mpi: what cannot be dealt out is refused") {
  zoft::mpi::ranks all(world());
  CHECK(outcome([&] { all.examples(0); }) ==
        "invalid: zoft: mpi: 0 examples are to be dealt out, and must be at least 1");
  const auto none = [](const auto&, range, std::span<double>) {};
  auto x = start<float>();
  zoft::engine of_examples{zoft::gaussian{}, zoft::per_example<>{.each = {.epsilon = 1e-2}, .examples = 3},
                           zoft::full{}, zoft::sgd{}, zoft::seed{3}};
  CHECK(outcome([&] { of_examples.step(std::span(x), none, all.examples(3)); }) ==
        "invalid: zoft: mpi: each loss is of one example already, so only candidates can be dealt out: leave out the "
        "examples");
  if (all.size() == 1) return;
  auto tuner = prge();
  zoft::mpi::ranks again(world());
  CHECK(outcome([&] { tuner.step(std::span(x), none, again.examples(all.rank() == 1 ? 4 : 5)); }) ==
        "invalid: zoft: mpi: not the same as on rank 0: the examples dealt out of rank 1");
  zoft::mpi::ranks third(world());
  CHECK(outcome([&] { tuner.step(std::span(x), none, all.rank() == 1 ? third.pairs(5) : third.examples(5)); }) ==
        "invalid: zoft: mpi: not the same as on rank 0: the examples dealt out of rank 1");
}
