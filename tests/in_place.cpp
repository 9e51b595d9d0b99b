// A buffer that is moved from point to point and comes back. The tests compare bits, not numbers.
#include <limits>
#include <zoft/concepts.hpp>
#include <zoft/engine.hpp>
#include <zoft/engine/points/in_place.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/mezo.hpp>
#include <zoft/random/philox.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "core_support.hpp"

using namespace core_test;
using zoft::bfloat16;
using zoft::direction;
using zoft::half;
using zoft::point;

namespace {

// A sampler of a user's own: ±8 at one element in 64, 0 elsewhere.
struct rare_spikes {
  template <class T>
  void axpy(std::span<T> x, T a, direction d, std::uint64_t first = 0) const {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto word = zoft::random::word(d, zoft::random::stream::perturbation, first + i);
      if (word % 64 == 0) x[i] += word >> 31 != 0 ? 8 * a : -8 * a;
    }
  }
};
static_assert(zoft::sampler<rare_spikes, float> && zoft::sampler<rare_spikes, double>);

// Every kind of pattern: all there are where they are 2 bytes; otherwise random ones, small weights, and the special.
template <class T>
std::vector<T> patterns() {
  std::vector<T> x;
  if constexpr (sizeof(T) == 2) {
    for (std::uint32_t p = 0; p < 0x10000; ++p) x.push_back(std::bit_cast<T>(static_cast<std::uint16_t>(p)));
  } else {
    using L = std::numeric_limits<T>;
    for (const T v : {T(0), L::denorm_min(), L::min(), L::min() / 2, L::epsilon(), L::max(), L::infinity(),
                      L::quiet_NaN(), L::signaling_NaN(), T(1e-30), T(1e-8), T(1), T(3e4)})
      x.insert(x.end(), {v, -v});
    for (std::uint32_t i = 0; i < 6000; ++i) {
      const auto w = zoft::philox4x32({i, 0, 0, 0}, {7, 7});
      x.push_back(std::bit_cast<T>(static_cast<pattern<T>>(std::uint64_t{w[0]} << 32 | w[1])));
      x.push_back(T(0.02) * static_cast<T>(static_cast<std::int32_t>(w[2])) * T(0x1p-31));
      x.push_back(T(1e-6) * static_cast<T>(static_cast<std::int32_t>(w[3])) * T(0x1p-31));
    }
  }
  for (int i = 0; i < 5; ++i) x.push_back(T(0.5f));  // so that no piece is whole
  return x;
}

// Ordinary weights, of which none is special.
template <class T>
std::vector<T> weights(std::size_t n) {
  std::vector<T> x;
  for (const float z : noise<float>(zoft::gaussian{}, {99, 0, 0}, n)) x.push_back(T(0.02f * z));
  return x;
}

}  // namespace

TEMPLATE_TEST_CASE("in_place: any sequence of moves leaves no trace, in any bit pattern", "[in_place]", float, double,
                   bfloat16, half) {
  using T = TestType;
  const auto start = patterns<T>();
  const auto check = [&](const auto& sampler) {
    auto x = start;
    zoft::in_place<T> buffer;
    std::uint32_t step = 0;
    for (const double scale : {1e-3, 1e-2, 1e-8, 1.0, 300.0, 1e-30})
      for (std::uint32_t cycle = 0; cycle < 4; ++cycle, ++step) {
        buffer.move(std::span(x), sampler, point{0, scale}, direction{42, step, 0});
        buffer.move(std::span(x), sampler, point{0, -scale}, direction{42, step, 0});
        buffer.move(std::span(x), sampler, point{1, scale}, direction{42, step, 1});
        if (cycle % 2 == 0) buffer.move(std::span(x), sampler, point{}, direction{42, step, 0});
        if (cycle % 2 == 0) REQUIRE(bits(x) == bits(start));
        buffer.move(std::span(x), sampler, point{2, 3 * scale}, direction{42, step, 2});
        buffer.restore(std::span(x), sampler);
        REQUIRE(bits(x) == bits(start));
        buffer.restore(std::span(x), sampler);
        REQUIRE(bits(x) == bits(start));
      }
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
  check(rare_spikes{});
}

TEMPLATE_TEST_CASE("in_place: a hundred idle steps, where adding and subtracting drifts", "[in_place]", float, double,
                   bfloat16, half) {
  using T = TestType;
  using A = zoft::arithmetic_t<T>;
  const auto start = weights<T>(3001);
  auto kept = start, naive = start;
  zoft::in_place<T> buffer;
  const zoft::gaussian z;
  const A epsilon = A(1e-3);
  for (std::uint32_t step = 0; step < 100; ++step) {
    const direction d{42, step, 0};
    buffer.move(std::span(kept), z, point{0, 1e-3}, d);
    buffer.move(std::span(kept), z, point{0, -1e-3}, d);
    z.axpy(std::span(naive), epsilon, d);
    z.axpy(std::span(naive), A(-2) * epsilon, d);
    z.axpy(std::span(naive), epsilon, d);
  }
  buffer.restore(std::span(kept), z);
  CHECK(bits(kept) == bits(start));
  std::size_t drifted = 0;
  for (std::size_t i = 0; i < start.size(); ++i) drifted += bits(naive)[i] != bits(start)[i];
  CHECK(drifted > start.size() / 4);
}

TEMPLATE_TEST_CASE("in_place: the functor sees θ + scale·z, rounded once", "[in_place]", float, double, bfloat16,
                   half) {
  using T = TestType;
  using A = zoft::arithmetic_t<T>;
  const auto check = [](const auto& sampler, const auto& estimator) {
    const auto start = weights<T>(4500);
    auto x = start;
    zoft::engine tuner{sampler, estimator, zoft::full{}, zoft::sgd{.learning_rate = 0}, zoft::seed{42}};
    std::size_t i = 0;
    for (int step = 0; step < 3; ++step, i = 0)
      tuner.step(std::span(x), [&](std::span<const T> seen) {
        const point p = estimator.at(i++);
        const auto z = noise<A>(sampler, tuner.direction(tuner.steps(), static_cast<std::uint32_t>(p.query)), 4500);
        std::vector<T> expected;
        for (std::size_t j = 0; j < start.size(); ++j)
          expected.push_back(p.scale == 0 ? start[j] : moved<T>(start[j], static_cast<A>(p.scale), z[j]));
        REQUIRE(seen.data() == x.data());
        REQUIRE(bits(std::vector<T>(seen.begin(), seen.end())) == bits(expected));
        return 0.0;
      });
    CHECK(i == 0);
    CHECK(bits(x) == bits(start));
  };
  check(zoft::gaussian{}, zoft::two_point{.epsilon = 1e-3, .queries = 2});
  check(zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-2, .queries = 3});
  check(rare_spikes{}, zoft::two_point{.epsilon = 1e-1, .queries = 1});
}

TEMPLATE_TEST_CASE("in_place: where the functor throws, everything is as before the step", "[in_place]", float, double,
                   bfloat16, half) {
  using T = TestType;
  struct stop {};
  const auto loss = [](std::span<const T> w) {
    double sum = 0;
    for (const T v : w) sum += std::abs(static_cast<double>(static_cast<zoft::arithmetic_t<T>>(v)) - 0.5);
    return sum / static_cast<double>(w.size());
  };
  const auto check = [&](const auto& sampler, const auto& estimator, const std::vector<T>& start) {
    const auto make = [&] {
      return zoft::engine{sampler, estimator, zoft::full{}, zoft::sgd{.learning_rate = 1e-2}, zoft::seed{42}};
    };
    for (std::size_t fatal = 0; fatal < estimator.evaluations(); ++fatal) {
      auto tuner = make(), undisturbed = make();
      auto x = start, y = start;
      for (int repeat = 0; repeat < 3; ++repeat) {
        std::size_t i = 0;
        CHECK_THROWS_AS(tuner.step(std::span(x),
                                   [&](std::span<const T> w) {
                                     if (i++ == fatal) throw stop{};
                                     return loss(w);
                                   }),
                        stop);
        REQUIRE(bits(x) == bits(start));
        REQUIRE(tuner.steps() == 0);
      }
      for (int step = 0; step < 3; ++step) {
        const auto a = tuner.step(std::span(x), loss), b = undisturbed.step(std::span(y), loss);
        CHECK(a.step == b.step);
      }
      CHECK(bits(x) == bits(y));
    }
  };
  check(zoft::gaussian{}, zoft::two_point{.epsilon = 1e-3, .queries = 2}, weights<T>(2500));
  check(zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-3, .queries = 2}, weights<T>(2500));
  check(rare_spikes{}, zoft::two_point{.epsilon = 1e-2, .queries = 1}, patterns<T>());
}

TEST_CASE("in_place: the candidates' functor never writes the buffer, also when it throws", "[in_place]") {
  const auto start = weights<float>(2500);
  auto x = start;
  auto tuner = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-2, .queries = 3, .seed = 42});
  const auto interrupted = [&](zoft::candidates<float> c, std::span<double>) {
    CHECK(bits(x) == bits(start));
    CHECK(c.stack().data() != x.data());
    throw 1;
  };
  CHECK_THROWS_AS(tuner.step(std::span(x), interrupted), int);
  CHECK(bits(x) == bits(start));
  CHECK(tuner.steps() == 0);
}

TEST_CASE("in_place: what a direction costs once is paid once a direction", "[adapter]") {
  struct counted {
    int* made;
    auto at(direction d) const { return ++*made, zoft::gaussian{}.at(d); }
    void axpy(std::span<float> x, float a, direction d, std::uint64_t first = 0) const { at(d).axpy(x, a, first); }
  };
  int made = 0;
  const counted sampler{&made};
  auto x = weights<float>(5000);
  const auto before = bits(x);
  zoft::in_place<float> buffer;
  const auto cost = [&](const point& p, direction d) {
    made = 0;
    buffer.move(std::span(x), sampler, p, d);
    return made;
  };
  CHECK(cost({0, 1e-3}, {1, 0, 0}) == 1);   // from θ
  CHECK(cost({0, -1e-3}, {1, 0, 0}) == 1);  // to the other side
  CHECK(cost({1, 1e-3}, {1, 0, 1}) == 2);   // to another direction
  CHECK(cost({}, {1, 0, 1}) == 1);          // back
  CHECK(bits(x) == before);
}
