#include <algorithm>
#include <limits>
#include <zoft/core/number.hpp>
#include <zoft/random/philox.hpp>

#include "core_support.hpp"

using zoft::bfloat16;
using zoft::half;

static_assert(bfloat16(1.0f).bits == 0x3f80 && bfloat16(-2.5f).bits == 0xc020);
static_assert(half(1.0f).bits == 0x3c00 && half(-2.5f).bits == 0xc100 && half(65504.0f).bits == 0x7bff);
static_assert(static_cast<float>(half(0x1p-24f)) == 0x1p-24f);

namespace {

template <class T>
T from_bits(std::uint32_t bits) {
  T value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

// What each finite pattern is worth, from the formats' definitions alone.
double value_of(bfloat16, std::uint32_t magnitude) {
  const int exponent = static_cast<int>(magnitude >> 7);
  const double fraction = magnitude & 0x7fu;
  return exponent == 0 ? std::ldexp(fraction, -133) : std::ldexp(128 + fraction, exponent - 134);
}
double value_of(half, std::uint32_t magnitude) {
  const int exponent = static_cast<int>(magnitude >> 10);
  const double fraction = magnitude & 0x3ffu;
  return exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
}
constexpr std::uint32_t infinity_of(bfloat16) { return 0x7f80; }
constexpr std::uint32_t infinity_of(half) { return 0x7c00; }

// The magnitudes in ascending order; the pattern of infinity stands for the number that would come next.
template <class T>
std::vector<double> magnitudes() {
  std::vector<double> all;
  for (std::uint32_t m = 0; m <= infinity_of(T{}); ++m) all.push_back(value_of(T{}, m));
  return all;
}

// To nearest, ties to the even pattern, found by search.
template <class T>
std::uint16_t nearest(const std::vector<double>& all, float x) {
  const double size = std::abs(static_cast<double>(x));
  const std::uint32_t sign = std::signbit(x) ? 0x8000 : 0;
  const auto above = std::lower_bound(all.begin(), all.end(), size);
  if (above == all.end()) return static_cast<std::uint16_t>(sign | infinity_of(T{}));
  auto best = static_cast<std::uint32_t>(above - all.begin());
  if (best > 0) {
    const double up = *above - size, down = size - all[best - 1];
    if (down < up || (down == up && best % 2 == 1)) --best;
  }
  return static_cast<std::uint16_t>(sign | best);
}

}  // namespace

TEMPLATE_TEST_CASE("number: every pattern widens to its value and rounds back to itself", "[number]", bfloat16, half) {
  using T = TestType;
  const std::uint32_t infinity = infinity_of(T{}), quiet = infinity == 0x7f80 ? 0x40 : 0x200;
  for (std::uint32_t p = 0; p < 0x10000; ++p) {
    const T x = from_bits<T>(p);
    const auto wide = static_cast<float>(x);
    const std::uint32_t magnitude = p & 0x7fff;
    REQUIRE(std::signbit(wide) == (p >= 0x8000));
    if (magnitude < infinity) REQUIRE(std::abs(static_cast<double>(wide)) == value_of(T{}, magnitude));
    if (magnitude == infinity) REQUIRE(std::isinf(wide));
    if (magnitude > infinity) REQUIRE(std::isnan(wide));
    // A signalling NaN comes back quiet, its other bits kept.
    REQUIRE(T(wide).bits == (magnitude > infinity ? (p | quiet) : p));
  }
}

TEMPLATE_TEST_CASE("number: rounds to nearest, ties to even", "[number]", bfloat16, half) {
  using T = TestType;
  const auto all = magnitudes<T>();
  const auto check = [&](float x) {
    if (T(x).bits != nearest<T>(all, x) || T(-x).bits != nearest<T>(all, -x)) {
      CAPTURE(x, T(x).bits, nearest<T>(all, x));
      FAIL("is rounded wrongly");
    }
  };
  const float inf = std::numeric_limits<float>::infinity();
  // Each boundary between two neighbours, and the floats beside it.
  for (std::size_t m = 0; m + 1 < all.size(); ++m) {
    const auto boundary = static_cast<float>((all[m] + all[m + 1]) / 2);
    for (const float x : {boundary, std::nextafter(boundary, inf), std::nextafter(boundary, 0.0f)}) check(x);
  }
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    for (const std::uint32_t word : zoft::philox4x32({i, 0, 0, 0}, {1, 2})) {
      const auto x = std::bit_cast<float>(word);
      if (!std::isnan(x)) check(x);
      // The same fraction with an exponent that half has too.
      check(std::bit_cast<float>((word & 0x007fffffu) | (100 + word % 46) << 23));
    }
  }
  for (const float x : {0.0f, inf, std::numeric_limits<float>::max(), std::numeric_limits<float>::min(),
                        std::numeric_limits<float>::denorm_min(), 65504.0f, 65519.99f, 65520.0f, 65536.0f})
    check(x);
  CHECK(std::isnan(static_cast<float>(T(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isnan(static_cast<float>(T(std::bit_cast<float>(0x7f800001u)))));
}

TEST_CASE("is_finite: seen from the bits", "[number]") {
  using limits = std::numeric_limits<double>;
  for (const double v : {0.0, -0.0, 1.0, limits::max(), limits::lowest(), limits::denorm_min(), 1e300})
    CHECK(zoft::is_finite(v));
  for (const double v : {limits::infinity(), -limits::infinity(), limits::quiet_NaN(), -limits::signaling_NaN()})
    CHECK_FALSE(zoft::is_finite(v));
}
