// Updates of 16-bit numbers: which neighbour they are rounded to, how often, and what that does to a run.
#include <limits>
#include <zoft/adapter/blocks.hpp>
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/anchored.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/random/rounding_words.hpp>
#include <zoft/sampler/coordinate.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/simd/rounding.hpp>

#include "core_support.hpp"

namespace rounding_tests {

using namespace core_test;
using zoft::bfloat16;
using zoft::half;

namespace {

/// One float rounded by the kernel.
template <class T>
float rounded(float x, std::uint32_t bits) {
  namespace simd = zoft::simd;
  return simd::stochastic<T>::round(simd::splat(x), simd::splat(bits))[0];
}

/// x as a float, its neighbour away from 0, and a float that lies `share` of the way between.
template <class T>
struct gap {
  float low, high;

  explicit gap(std::uint16_t pattern)
      : low(static_cast<float>(std::bit_cast<T>(pattern))),
        high(static_cast<float>(std::bit_cast<T>(static_cast<std::uint16_t>(pattern + 1)))) {}
  float at(double share) const { return static_cast<float>(low + share * (double{high} - low)); }
};

/// Patterns of finite numbers: tiny and ordinary ones, ends of binades, the largest.
template <class T>
std::vector<std::uint16_t> patterns() {
  std::vector<std::uint16_t> result{0, 1, 2, 77};
  const unsigned binade = std::is_same_v<T, half> ? 0x400 : 0x80;
  for (unsigned p = binade; p < (std::is_same_v<T, half> ? 0x7800u : 0x7f00u); p += 13 * binade)
    for (const unsigned q : {p - 1, p, p + 1, p + binade / 3}) result.push_back(static_cast<std::uint16_t>(q));
  return result;
}

/// z = 1 in every element: the estimate is the same number everywhere.
struct ones {
  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction, std::uint64_t = 0) const {
    for (T& v : x) v += a;
  }
};

/// Σx²/2
template <class T>
double half_square(std::span<const T> x) {
  double sum = 0;
  for (const T v : x) sum += value(v) * value(v) / 2;
  return sum;
}

/// n numbers of mean 1 and deviation 0.1, all of which bfloat16 has.
std::vector<float> near_one(std::size_t n) {
  std::vector<float> x;
  for (const float z : noise<float>(zoft::gaussian{}, {5, 0, 0}, n))
    x.push_back(static_cast<float>(bfloat16(1 + 0.1f * z)));
  return x;
}

template <class T>
std::vector<T> stored(const std::vector<float>& x) {
  return std::vector<T>(x.begin(), x.end());
}

}  // namespace

TEMPLATE_TEST_CASE("rounding: the kernel is the reference", "[rounding]", bfloat16, half) {
  using T = TestType;
  std::size_t apart = 0, compared = 0;
  for (const std::uint16_t pattern : patterns<T>())
    for (const double share : {0.0, 0.001, 0.25, 0.4999, 0.5, 0.77, 0.9999})
      for (std::uint32_t bits = 0; bits < 0x10000u; bits += 257) {
        const float x = gap<T>(pattern).at(share);
        // half's kernel adds the random bits in float where it is subnormal: what is nearer to the brink than that
        // rounding may go either way.
        const double spacings = double{x} * 0x1p24,
                     brink = spacings - std::floor(spacings) + ((bits >> 4) + 0.5) / 4096 - 1;
        if (std::is_same_v<T, half> && x < 0x1p-14f && std::abs(brink) < 0x1p-13) continue;
        ++compared;
        apart += rounded<T>(x, bits) != zoft::simd::stochastic<T>::reference(x, bits);
        apart += rounded<T>(-x, bits) != -zoft::simd::stochastic<T>::reference(x, bits);
      }
  CHECK(compared > 28'000);
  CHECK(apart == 0);
}

TEMPLATE_TEST_CASE("rounding: up as often as a number is near its upper neighbour, of all random bits", "[rounding]",
                   bfloat16, half) {
  using T = TestType;
  for (const std::uint16_t pattern : patterns<T>()) {
    const gap<T> between(pattern);
    for (const double share : {0.0, 1.0 / 16, 0.3, 0.5, 0.9}) {
      const float x = between.at(share);
      const double exact = (double{x} - between.low) / (double{between.high} - between.low);
      std::size_t up = 0, elsewhere = 0;
      for (std::uint32_t bits = 0; bits < 0x10000u; ++bits) {
        const float y = rounded<T>(x, bits);
        up += y == between.high;
        elsewhere += y != between.high && y != between.low;
      }
      INFO(x << " of " << between.low << " and " << between.high);
      CHECK(elsewhere == 0);
      // half's bits are 13, and 12 where it is subnormal; bfloat16's are 16.
      CHECK(std::abs(static_cast<double>(up) / 0x10000 - exact) <= 0x1p-12);
      if (share == 0) CHECK(up == 0);
    }
  }
}

TEMPLATE_TEST_CASE("rounding: what is no ordinary number stays as it is", "[rounding]", bfloat16, half) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const std::uint32_t bits : {0u, 1u, 0x8000u, 0xffffu}) {
    for (const float x : {0.0f, -0.0f, 1.0f, -2.5f, infinity, -infinity})
      CHECK(std::bit_cast<std::uint32_t>(rounded<TestType>(x, bits)) == std::bit_cast<std::uint32_t>(x));
    for (const std::uint32_t nan : {0x7fc00000u, 0xffc00000u, 0x7fffffffu, 0x7f800001u})
      CHECK(std::bit_cast<std::uint32_t>(rounded<TestType>(std::bit_cast<float>(nan), bits)) == nan);
  }
}

TEST_CASE("rounding: a finite number becomes infinite only where rounding to nearest makes it so", "[rounding]") {
  for (const std::uint32_t bits : {0u, 0x8000u, 0xffffu}) {
    CHECK(half(rounded<half>(65504.0f, bits)).bits == 0x7bff);
    CHECK(half(rounded<half>(65519.0f, bits)).bits == 0x7bff);
    CHECK(half(rounded<half>(65520.0f, bits)).bits == 0x7c00);
    CHECK(bfloat16(rounded<bfloat16>(0x1.fep127f, bits)).bits == 0x7f7f);
    CHECK(bfloat16(rounded<bfloat16>(0x1.fefffep127f, bits)).bits == 0x7f7f);
  }
}

TEST_CASE("rounding: an element's random bits depend on nothing but its name", "[rounding]") {
  std::vector<std::uint16_t> whole(1000), piece;
  const zoft::direction d{42, 7, 1};
  zoft::random::rounding_words(d).draw(std::span(whole), 0);
  for (const std::size_t first : {0u, 1u, 63u, 64u, 127u, 128u, 500u})
    for (const std::size_t n : {1u, 2u, 64u, 65u, 300u}) {
      piece.assign(n, 0);
      zoft::random::rounding_words(d).draw(std::span(piece), first);
      CHECK(std::equal(piece.begin(), piece.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  for (std::size_t e = 0; e < whole.size(); ++e) {
    const std::uint32_t word = zoft::random::word(d, zoft::random::stream::update_rounding, e / 128 * 64 + e % 64);
    CHECK(whole[e] == (e % 128 < 64 ? word & 0xffff : word >> 16));
  }
}

// The sum of n updates of Δ each has a variance of n|Δ|(s − |Δ|) at spacing s. 1 + 3/4 is amid a binade of both.
TEMPLATE_TEST_CASE("rounding: the mean of rounded updates is the update, within five deviations", "[rounding]",
                   bfloat16, half) {
  using T = TestType;
  constexpr std::size_t n = 40'000;
  constexpr int steps = 25;
  const double spacing = std::is_same_v<T, half> ? 0x1p-10 : 0x1p-7;
  for (const double change : {1e-5, -1e-4}) {
    zoft::engine tuner{ones{}, zoft::two_point{.epsilon = 0.5}, zoft::full{}, zoft::sgd{.learning_rate = 1},
                       zoft::seed{3}};
    std::vector<T> x(n, T(1.75f));
    double moved = 0;
    for (int step = 0; step < steps; ++step)
      moved += tuner.tell(std::span(x), std::vector<double>{-change / 2, change / 2}).moved;
    double sum = 0;
    for (const T v : x) sum += value(v) - 1.75;
    const double updates = steps * n, deviation = std::sqrt(updates * std::abs(change) * (spacing - std::abs(change)));
    CHECK(std::abs(sum - updates * change) < 5 * deviation);
    // Each update moves one spacing or nothing, and one in 16 is counted.
    const double share = std::abs(change) / spacing;
    CHECK(std::abs(moved / steps - share) < 5 * std::sqrt(share / (updates / 16)));
  }
}

TEMPLATE_TEST_CASE("rounding: to nearest, updates of less than half a spacing are lost, and the report says so",
                   "[rounding]", bfloat16, half) {
  using T = TestType;
  zoft::engine tuner{ones{}, zoft::two_point{.epsilon = 0.5}, zoft::full{.rounding = zoft::rounding::nearest},
                     zoft::sgd{.learning_rate = 1}, zoft::seed{3}};
  std::vector<T> x(300, T(1.75f));
  const auto before = bits(x);
  const double spacing = std::is_same_v<T, half> ? 0x1p-10 : 0x1p-7;
  CHECK(tuner.tell(std::span(x), std::vector<double>{0.49 * spacing / 2, -0.49 * spacing / 2}).moved == 0);
  CHECK(bits(x) == before);
  CHECK(tuner.tell(std::span(x), std::vector<double>{0.51 * spacing / 2, -0.51 * spacing / 2}).moved == 1);
  for (const T v : x) CHECK(value(v) == 1.75 - spacing);
}

TEST_CASE("rounding: the report's share counts floats too, and is 0 where nothing was to move", "[rounding]") {
  zoft::engine tuner{ones{}, zoft::two_point{.epsilon = 0.5}, zoft::full{}, zoft::sgd{.learning_rate = 1}};
  std::vector<float> x(48, 1.0f);
  x.resize(64, 1e-9f);
  x.resize(1024, 1.0f);  // these are not counted, and the first 64 of these are
  x.resize(1088, 1.0f);
  std::fill(x.end() - 16, x.end(), 1e-9f);
  CHECK(tuner.tell(std::span(x), std::vector<double>{1e-10, -1e-10}).moved == 0.25);
  CHECK(tuner.tell(std::span(x), std::vector<double>{1, -1}).moved == 1);
  CHECK(tuner.tell(std::span(x), std::vector<double>{1, 1}).moved == 0);
  CHECK(tuner.tell(std::span(x), std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()}).moved == 0);
}

TEST_CASE("rounding: a step that moves only parameters that are not counted has moved what it should", "[rounding]") {
  // Blocks of 64, of which the first is counted.
  zoft::engine tuner{zoft::coordinate{.size = 1024, .block = 64, .order = zoft::order::cyclic},
                     zoft::two_point{.epsilon = 0.5}, zoft::full{}, zoft::sgd{.learning_rate = 1}};
  std::vector<float> x(1024, 1.0f);
  for (int block = 0; block < 3; ++block) {
    CHECK(tuner.tell(std::span(x), std::vector<double>{1, -1}).moved == 1);
    CHECK(x[64 * static_cast<std::size_t>(block)] != 1);
  }
  CHECK(tuner.tell(std::span(x), std::vector<double>{1, 1}).moved == 0);
  CHECK(x[3 * 64] == 1);
}

TEMPLATE_TEST_CASE("rounding: ten thousand idle steps leave every bit", "[rounding]", bfloat16, half) {
  const auto start = stored<TestType>(near_one(500));
  for (const auto how : {zoft::rounding::stochastic, zoft::rounding::nearest}) {
    auto x = start;
    auto tuner = zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-2, .seed = 42, .rounding = how});
    for (int step = 0; step < 10'000; ++step) tuner.step(std::span(x), [](std::span<const TestType>) { return 1.0; });
    CHECK(bits(x) == bits(start));
  }
}

// 20,000 numbers near 1, Σx²/2, the default rate of 1e-6: each step changes x by some 1e-4, which is a fortieth of
// bfloat16's spacing. All types get the points exactly, at ε = 2⁻⁶, so that rounding of the update is all that differs.
//
// A step rounds x by an error e of variance v = |Δ|(s − |Δ|), unbiased. So the fall of the loss differs from float's by
// −Σ(x·e + e²/2), of mean −Σv/2 and variance Σx²v over all elements and steps. Runs also differ in their slopes, which
// see x + e: that is of the order of the fall's relative change, and small beside it.
TEMPLATE_TEST_CASE("rounding: MeZO falls in 16 bits as it does in float, but for the variance of rounding",
                   "[rounding]", bfloat16, half) {
  using T = TestType;
  const std::vector<float> start = near_one(20'000);
  const auto check = [&](auto sampler) {
    const auto fall = [&]<class S>(std::vector<S> x, zoft::rounding how) {
      zoft::engine tuner{sampler, zoft::two_point{.epsilon = 0x1p-6}, zoft::full{.rounding = how},
                         zoft::sgd{.learning_rate = 1e-6}, zoft::seed{42}};
      const double before = half_square<S>(x);
      double size = 0;
      for (int step = 0; step < 500; ++step)
        size += std::abs(tuner.step(std::span(x), half_square<S>).projected_gradients[0]) * 1e-6;
      return std::pair(before - half_square<S>(x), size);
    };
    const auto [whole, size] = fall(start, zoft::rounding::nearest);
    const double rounded_fall = fall(stored<T>(start), zoft::rounding::stochastic).first,
                 lost_fall = fall(stored<T>(start), zoft::rounding::nearest).first;
    // Σ over the steps of |Δ| = η|c||z|; E|z| is √(2/π) or 1.
    const double change = size * (std::is_same_v<decltype(sampler), zoft::gaussian> ? std::sqrt(2 / 3.14159265) : 1.0);
    double mean = 0, variance = 0;
    for (const float x : start) {
      const double spacing = (x < 1 ? 0x1p-8 : 0x1p-7) / (std::is_same_v<T, half> ? 8 : 1);
      mean += change * spacing / 2;
      variance += double{x} * x * change * spacing;
    }
    INFO("float " << whole << ", stochastic " << rounded_fall << ", expected " << whole - mean << " ± "
                  << std::sqrt(variance) << ", nearest " << lost_fall);
    CHECK(std::abs(rounded_fall - (whole - mean)) < 4 * std::sqrt(variance));
    CHECK(rounded_fall > 0.6 * whole);
    CHECK(lost_fall < (std::is_same_v<T, half> ? 0.7 : 0.01) * whole);
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
}

TEMPLATE_TEST_CASE("rounding: a bound on the way gone holds in 16 bits", "[rounding]", bfloat16, half) {
  const std::vector<float> start = near_one(2000);
  auto x = stored<TestType>(start);
  const double radius = 0.5;
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 0x1p-6}, zoft::full{},
                     zoft::anchored<zoft::sgd>{.optimizer = {.learning_rate = 1e-4}, .radius = radius}, zoft::seed{4}};
  double furthest = 0, last = 0;
  for (int step = 0; step < 300; ++step) {
    tuner.step(std::span(x), half_square<TestType>);
    last = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      last += (value(x[i]) - double{start[i]}) * (value(x[i]) - double{start[i]});
    furthest = std::max(furthest, std::sqrt(last));
  }
  CHECK(std::sqrt(last) > 0.9 * radius);
  // Rounding the way back adds at most a spacing's square times its share of moves.
  CHECK(furthest < 1.1 * radius);
}

}  // namespace rounding_tests
