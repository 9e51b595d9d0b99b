// The statistics of gaussians and signs.
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "statistics_support.hpp"

using namespace core_test;
using namespace statistics;
using zoft::direction;

namespace {

// (z² − 1)/√2, of mean 0 and variance 1 for gaussians: sees what a correlation of signs alone hides.
std::vector<float> energy(const std::vector<float>& z) {
  std::vector<float> e;
  for (const float v : z) e.push_back((v * v - 1) * 0.70710678f);
  return e;
}

}  // namespace

TEST_CASE("gaussian: the first four moments, and the even ones of each lane of a tile", "[noise]") {
  const auto z = noise<float>(zoft::gaussian{}, {1, 2, 3}, n);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  std::vector<double> lane(64), lane2(64);
  for (std::size_t i = 0; i < n; ++i) {
    const double v = static_cast<double>(z[i]);
    m1 += v;
    m2 += v * v - 1;
    m3 += v * v * v;
    m4 += v * v * v * v - 3;
    lane[i % 64] += v;
    lane2[i % 64] += v * v - 1;
  }
  // Variances of z, z², z³, z⁴: 1, 2, 15, 105 − 9.
  check_mean_is_zero(m1, n, 1);
  check_mean_is_zero(m2, n, 2);
  check_mean_is_zero(m3, n, 15);
  check_mean_is_zero(m4, n, 96);
  for (std::size_t j = 0; j < 64; ++j) {
    check_mean_is_zero(lane[j], n / 64, 1);
    check_mean_is_zero(lane2[j], n / 64, 2);
  }
}

TEST_CASE("gaussian: Kolmogorov and Smirnov against the normal distribution", "[noise]") {
  check_distribution(noise<float>(zoft::gaussian{}, {4, 5, 6}, n),
                     [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); });
}

TEST_CASE("gaussian: tails beyond 3, 4 and 5 sigma", "[noise]") {
  constexpr std::size_t piece = 1 << 16;
  constexpr double count = tail_samples;
  std::size_t beyond[3] = {}, above = 0;
  float greatest = 0;
  std::vector<float> z(piece);
  for (std::size_t from = 0; from < tail_samples; from += piece) {
    std::fill(z.begin(), z.end(), 0.0f);
    const auto part = std::span(z).first(std::min(piece, tail_samples - from));
    zoft::gaussian{}.axpy(part, 1.0f, {7, 8, 9}, from);
    for (const float v : part) {
      const float size = std::abs(v);
      if (size <= 3) continue;
      ++beyond[0];
      above += v > 0;
      beyond[1] += size > 4;
      beyond[2] += size > 5;
      greatest = std::max(greatest, size);
    }
  }
  for (int k = 0; k < 3; ++k) {
    const double p = std::erfc((k + 3) / std::sqrt(2.0)), expected = p * count;
    CAPTURE(k + 3, beyond[k], expected);
    check_mean_is_zero(static_cast<double>(beyond[k]) - expected, count, p * (1 - p));
  }
  check_mean_is_zero(static_cast<double>(above) - 0.5 * static_cast<double>(beyond[0]), static_cast<double>(beyond[0]),
                     0.25);
  // Beyond 5 the expected number is 11, or more; √(62 ln 2) bounds them all.
  CHECK(greatest > 5);
  CHECK(greatest <= std::sqrt(62 * std::log(2.0)));
}

TEST_CASE("gaussian and rademacher: neighbouring elements are uncorrelated", "[noise]") {
  const auto z = noise<float>(zoft::gaussian{}, {10, 11, 12}, n), e = energy(z);
  const auto sign = noise<float>(zoft::rademacher{}, {10, 11, 12}, n);
  for (const std::size_t lag : {1u, 2u, 4u, 8u, 15u, 16u, 17u, 31u, 32u, 48u, 64u, 128u, 1024u, 2048u, 4096u}) {
    CAPTURE(lag);
    const auto left = n - lag;
    for (const auto* x : {&z, &e, &sign})
      check_mean_is_zero(product(*x, std::span(*x).subspan(lag)), static_cast<double>(left), 1);
  }
}

TEST_CASE("gaussian and rademacher: queries, steps and seeds are uncorrelated", "[noise]") {
  const direction here{20, 21, 22};
  const direction others[] = {{20, 21, 23},
                              {20, 22, 22},
                              {21, 21, 22},
                              {20 + (std::uint64_t{1} << 32), 21, 22},
                              {20, 22, 21},
                              {22, 21, 20},
                              {21, 20, 22},
                              {20, 21, 22 + (1u << 24)},
                              {20, 21 + (1u << 31), 22},
                              {~std::uint64_t{20}, 21, 22}};
  const auto z = noise<float>(zoft::gaussian{}, here, n), e = energy(z),
             sign = noise<float>(zoft::rademacher{}, here, n);
  for (const direction& d : others) {
    CAPTURE(d.seed, d.step, d.query);
    const auto other = noise<float>(zoft::gaussian{}, d, n);
    check_mean_is_zero(product(z, other), n, 1);
    check_mean_is_zero(product(e, energy(other)), n, 1);
    check_mean_is_zero(product(sign, noise<float>(zoft::rademacher{}, d, n)), n, 1);
  }
}

TEST_CASE("gaussian and rademacher: tensors of equal shape do not share noise", "[noise]") {
  constexpr std::size_t size = 64 * 64;
  const auto check = [](const auto& sampler) {
    std::vector<std::vector<float>> tensors;
    for (std::uint64_t t = 0; t < 24; ++t) tensors.push_back(noise<float>(sampler, {42, 0, 0}, size, t * size));
    for (std::size_t a = 0; a < tensors.size(); ++a)
      for (std::size_t b = 0; b < a; ++b) check_mean_is_zero(product(tensors[a], tensors[b]), size, 1);
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
}

TEST_CASE("rademacher: fair as a whole and at each bit of a word", "[noise]") {
  const auto z = noise<float>(zoft::rademacher{}, {30, 31, 32}, n);
  double sum = 0;
  std::vector<double> bit(32), word(64);
  for (std::size_t i = 0; i < n; ++i) {
    REQUIRE(std::abs(z[i]) == 1.0f);
    sum += static_cast<double>(z[i]);
    bit[i % 32] += static_cast<double>(z[i]);
    word[i / 32 % 64] += static_cast<double>(z[i]);
  }
  check_mean_is_zero(sum, n, 1);
  for (const double s : bit) check_mean_is_zero(s, n / 32, 1);
  for (const double s : word) check_mean_is_zero(s, n / 64, 1);
}
