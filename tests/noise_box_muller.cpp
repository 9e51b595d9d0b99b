#include <algorithm>
#include <numbers>
#include <zoft/random/box_muller.hpp>
#include <zoft/random/stream.hpp>

#include "core_support.hpp"

namespace simd = zoft::simd;

namespace {

struct errors {
  long double to_the_words = 0;  // against the exact transform of the words
  long double to_rounded_u = 0;  // against the exact transform with u as rounded to a float's 24 bits
  std::uint32_t v = 0, w = 0;    // where the first is greatest
};

void box_muller(simd::u32 v, simd::u32 w, simd::f32& z0, simd::f32& z1) {
  zoft::random::box_muller pair(v, w);
  for (std::size_t i = 0; i < zoft::random::box_muller::steps; ++i) pair.step(i);
  pair.finish(z0, z1);
}

void compare(std::span<const std::uint32_t> v, std::span<const std::uint32_t> w, errors& worst) {
  simd::f32 z0, z1;
  box_muller(simd::load<simd::u32>(v.data()), simd::load<simd::u32>(w.data()), z0, z1);
  for (std::size_t i = 0; i < simd::lanes; ++i) {
    const auto odd = static_cast<std::int32_t>(v[i] >> 1 | 1u);
    const long double angle =
        std::numbers::pi_v<long double> / 2 * (static_cast<long double>(static_cast<std::int32_t>(w[i])) * 0x1p-31L);
    const long double sign = (w[i] & 1) != 0 ? -1 : 1;
    const auto error = [&](long double u) {
      const long double r = std::sqrt(-2 * std::log(u));
      return std::max(std::abs(static_cast<long double>(z0[i]) - sign * r * std::cos(angle)),
                      std::abs(static_cast<long double>(z1[i]) - r * std::sin(angle)));
    };
    const long double to_words = error(static_cast<long double>(odd) * 0x1p-31L);
    if (to_words > worst.to_the_words) worst.to_the_words = to_words, worst.v = v[i], worst.w = w[i];
    worst.to_rounded_u =
        std::max(worst.to_rounded_u, error(static_cast<long double>(static_cast<float>(odd)) * 0x1p-31L));
  }
}

errors of(const std::vector<std::uint32_t>& v, const std::vector<std::uint32_t>& w) {
  errors worst;
  for (std::size_t i = 0; i + simd::lanes <= v.size(); i += simd::lanes)
    compare(std::span(v).subspan(i, simd::lanes), std::span(w).subspan(i, simd::lanes), worst);
  return worst;
}

// Words around 0, around the powers of two, around 2³²·2/3 where the exponent is split, and at the top.
std::vector<std::uint32_t> stress() {
  std::vector<std::uint32_t> words;
  for (std::uint32_t k = 0; k < 600; ++k)
    for (const std::uint32_t centre :
         {0u, 0x55555555u, 0xaaaaaaabu, 0x80000000u, 0x7fffff00u, 0xffffff00u, 0xfffffe00u})
      words.push_back(centre + k), words.push_back(centre - k);
  for (unsigned b = 0; b < 32; ++b)
    for (std::uint32_t k = 0; k < 40; ++k)
      words.push_back((1u << b) + k), words.push_back((1u << b) - k), words.push_back(0u - (1u << b) + k);
  while (words.size() % simd::lanes != 0) words.push_back(1);
  return words;
}

}  // namespace

TEST_CASE("box_muller: near the exact transform of the same words", "[noise]") {
  // The arithmetic is off by less than 2e-6. Before it u is rounded to 24 bits, which moves r = √(−2 ln u) by up to
  // 2⁻¹²: by all of it where 1 − u is 2⁻²⁵, and is rounded away.
  constexpr long double arithmetic = 2e-6L, rounding = 0x1p-12L;
  std::vector<std::uint32_t> v, w;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) {
    v.push_back(zoft::random::word({1, 2, 3}, zoft::random::stream::data, i));
    w.push_back(zoft::random::word({1, 2, 4}, zoft::random::stream::data, i));
  }
  const errors ordinary = of(v, w);
  CAPTURE(ordinary.v, ordinary.w);
  CHECK(ordinary.to_rounded_u < arithmetic);
  CHECK(ordinary.to_the_words < 3e-5L);

  const auto words = stress();
  errors extreme;
  for (std::size_t turn = 0; turn < words.size(); turn += 97) {
    v = words;
    std::rotate(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(turn), v.end());
    const errors e = of(v, words);
    if (e.to_the_words > extreme.to_the_words) extreme.to_the_words = e.to_the_words, extreme.v = e.v, extreme.w = e.w;
    extreme.to_rounded_u = std::max(extreme.to_rounded_u, e.to_rounded_u);
  }
  CAPTURE(extreme.v, extreme.w);
  CHECK(extreme.to_rounded_u < arithmetic);
  CHECK(extreme.to_the_words < arithmetic + rounding);
}

TEST_CASE("box_muller: the extremes", "[noise]") {
  const auto pair = [](std::uint32_t v, std::uint32_t w) {
    simd::f32 z0, z1;
    box_muller(simd::splat(v), simd::splat(w), z0, z1);
    return std::pair{float{z0[0]}, float{z1[0]}};
  };
  // u = 2⁻³¹, the least: r = √(62 ln 2), along each axis.
  const float most = static_cast<float>(std::sqrt(62 * std::log(2.0)));
  for (const std::uint32_t v : {0u, 1u, 2u, 3u}) {
    CHECK(pair(v, 0).first == Approx(most));
    CHECK(pair(v, 1).first == Approx(-most));
    CHECK(pair(v, 0x80000000).second == Approx(-most));
    CHECK(pair(v, 0x7fffffff).second == Approx(most));
  }
  // u rounds to 1, and r is 0, not the root of a negative number.
  CHECK(pair(0xffffffff, 0).first == 0.0f);
  CHECK(pair(0xffffffff, 0x40000000).second == 0.0f);
}
