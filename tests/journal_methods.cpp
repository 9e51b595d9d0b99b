// Runs of every kind of method that are stopped and made again from their journal.
#include <zoft/adapter/quantised.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/adamezo.hpp>
#include <zoft/method/eggroll.hpp>
#include <zoft/method/fzoo.hpp>
#include <zoft/method/hizoo.hpp>
#include <zoft/method/kerzoo.hpp>
#include <zoft/method/lozo_m.hpp>
#include <zoft/method/meazo.hpp>
#include <zoft/method/mezo_adam.hpp>
#include <zoft/method/mezo_bcd.hpp>
#include <zoft/method/mezo_momentum.hpp>
#include <zoft/method/one_point.hpp>
#include <zoft/method/openes.hpp>
#include <zoft/method/sparse_mezo.hpp>
#include <zoft/method/spsa.hpp>
#include <zoft/method/subzero.hpp>
#include <zoft/method/tezo.hpp>
#include <zoft/method/zo_adamm.hpp>
#include <zoft/method/zo_conservative.hpp>
#include <zoft/method/zo_muon.hpp>
#include <zoft/method/zo_sign.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/anchored.hpp>
#include <zoft/prge.hpp>

#include "journal_support.hpp"

namespace journal_methods_tests {

using core_test::value;
using journal_test::check_run;

namespace {

zoft::layout journal_shape() {
  zoft::layout result;
  result.add("up", 23, 17);
  result.add("gain", 19);
  result.add("down", 11, 29);
  return result;
}

template <class T>
std::vector<T> journal_start(std::size_t n = journal_shape().size()) {
  std::vector<T> result;
  for (const float z : core_test::noise<float>(zoft::gaussian{}, {77, 0, 0}, n)) result.push_back(T(0.1f * z));
  return result;
}

/// A valley that is not the same in all directions, and of which a step in five is not finite.
template <class T>
double valley(std::span<const T> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double away = value(x[i]) - 0.05 * std::cos(static_cast<double>(i));
    sum += away * away * (1 + static_cast<double>(i % 7)) + 0.1 * away * away * away;
  }
  return sum;
}
template <class T>
auto journal_step(bool fails = true) {
  return [fails](auto& tuner, std::span<T> x) {
    const bool now = fails && tuner.steps() % 5 == 2;
    return tuner.step(
        x, [&](std::span<const T> at) { return now ? std::numeric_limits<double>::quiet_NaN() : valley<T>(at); });
  };
}

}  // namespace

TEMPLATE_TEST_CASE("journal: MeZO in place, in every type of parameters", "[journal]", float, double, zoft::bfloat16,
                   zoft::half) {
  using T = TestType;
  for (const std::size_t queries : {1u, 3u})
    check_run(
        [&] {
          return zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = queries, .decay = 0.1, .seed = 5});
        },
        journal_start<T>(2500), journal_step<T>());
}

TEST_CASE("journal: every method on a buffer", "[journal]") {
  const zoft::layout shape = journal_shape();
  const auto check = [](auto make) { check_run(make, journal_start<float>(), journal_step<float>()); };
  SECTION("P-RGE, whose candidates are copies") {
    check_run([] { return zoft::prge({.queries = 3, .epsilon = 1e-2, .learning_rate = 1e-3, .seed = 5}); },
              journal_start<float>(),
              [](auto& tuner, std::span<float> x) {
                return tuner.step(x, [](zoft::candidates<float> c, std::span<double> losses) {
                  for (std::size_t i = 0; i < c.size(); ++i) losses[i] = valley<float>(c[i]);
                });
              });
  }
  SECTION("lozo") {
    check([&] { return zoft::lozo({.interval = 4, .learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("lozo_m") {
    check([&] { return zoft::lozo_m({.interval = 3, .learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("subzero") {
    check([&] { return zoft::subzero({.rank = 4, .interval = 3, .learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("tezo_adam") {
    check([&] { return zoft::tezo_adam({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("adamezo") {
    check([&] { return zoft::adamezo({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("meazo") {
    check([&] { return zoft::meazo({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("mezo_adam") {
    check([&] { return zoft::mezo_adam({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("mezo_bcd") {
    check([&] { return zoft::mezo_bcd({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("mezo_momentum") {
    check([&] { return zoft::mezo_momentum({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("zo_adamm") {
    check([&] { return zoft::zo_adamm({.learning_rate = 1e-3, .seed = 5}, shape.size(), shape); });
  }
  SECTION("zo_muon") {
    check([&] { return zoft::zo_muon({.rank = 4, .learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("zo_sign") {
    check([&] { return zoft::zo_sign({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("eggroll") {
    check([&] { return zoft::eggroll({.learning_rate = 1e-3, .seed = 5}, shape); });
  }
  SECTION("fzoo") {
    check([&] { return zoft::fzoo({.learning_rate = 1e-3, .seed = 5}); });
  }
  SECTION("kerzoo") {
    check([&] { return zoft::kerzoo({.learning_rate = 1e-3, .seed = 5}); });
  }
  SECTION("openes") {
    check([&] { return zoft::openes({.learning_rate = 1e-3, .seed = 5}); });
  }
  SECTION("spsa") {
    check([&] { return zoft::spsa({.a = 1e-3, .c = 1e-2, .seed = 5}); });
  }
  SECTION("zo_conservative") {
    check([&] { return zoft::zo_conservative({.learning_rate = 1e-5, .seed = 5}); });
  }
  SECTION("anchored, by a pull and a bound") {
    check([&] {
      return zoft::engine{
          zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2}, zoft::full{.layout = shape},
          zoft::anchored<zoft::momentum>{.optimizer = {.learning_rate = 1e-2}, .decay = 0.1, .radius = 0.05},
          zoft::seed{5}};
    });
  }
  // Their records are losses: what they keep, or learn, is made of these.
  SECTION("hizoo") {
    check([&] { return zoft::hizoo({.learning_rate = 1e-3, .seed = 5}); });
  }
  SECTION("one_point") {
    check([&] { return zoft::one_point({.learning_rate = 1e-4, .seed = 5}); });
  }
  SECTION("sparse_mezo") {
    const auto make = [&] { return zoft::sparse_mezo({.learning_rate = 1e-2, .seed = 5}); };
    STATIC_REQUIRE(decltype(make())::records_losses);
    check(make);
  }
}

TEST_CASE("journal: 8-bit codes", "[journal]") {
  zoft::layout shape;
  shape.add("weight", 23, 51);
  std::vector<std::int8_t> start;
  for (std::size_t i = 0; i < shape.size(); ++i)
    start.push_back(static_cast<std::int8_t>(static_cast<int>(i % 255) - 127));
  const auto history = GENERATE(std::size_t{0}, std::size_t{5});
  const auto make = [&] {
    return zoft::engine{zoft::gaussian{}, zoft::two_point{.epsilon = 0.3, .queries = 2},
                        zoft::quantised{shape, std::vector<float>(23, 0.25f), history},
                        zoft::sgd{.learning_rate = 1e-2}, zoft::seed{5}};
  };
  const auto step = [](auto& tuner, std::span<std::int8_t> x) {
    return tuner.step(x, [](std::span<const std::int8_t> at) {
      double sum = 0;
      for (std::size_t i = 0; i < at.size(); ++i) sum += std::pow(0.25 * at[i] - std::cos(static_cast<double>(i)), 2);
      return sum;
    });
  };
  check_run(make, start, step);
}

}  // namespace journal_methods_tests
