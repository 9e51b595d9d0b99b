// What is particular to the uniform, the sphere, the sparse mask, and the streams.
#include <set>
#include <zoft/random/symmetric.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/sparse.hpp>
#include <zoft/sampler/sphere.hpp>
#include <zoft/sampler/uniform.hpp>

#include "statistics_support.hpp"

using namespace core_test;
using namespace statistics;
using zoft::direction;
using zoft::random::stream;

namespace {

const double sqrt3 = std::sqrt(3.0);

// Whether z is uniform on (−√3, √3).
double uniform_cdf(double z) { return std::clamp((z + sqrt3) / (2 * sqrt3), 0.0, 1.0); }

double squares(const std::vector<float>& z) { return product(z, z); }

}  // namespace

TEST_CASE("uniform: element i is √3·((2k + 1)/2²⁴ − 1), k the upper bits of word i", "[noise]") {
  const direction d{1, 2, 3};
  const auto z = noise<float>(zoft::uniform{}, d, 1000, 77);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const std::uint32_t k = zoft::random::word(d, stream::perturbation, 77 + i) >> 8;
    const float exact = static_cast<float>((2.0 * k + 1) * 0x1p-24 - 1);
    REQUIRE(z[i] == 1.7320508f * exact);
  }
}

TEST_CASE("uniform: distribution, moments, neighbours and queries", "[noise]") {
  const auto z = noise<float>(zoft::uniform{}, {1, 2, 3}, n);
  check_distribution(z, uniform_cdf);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
  for (const float f : z) {
    const double v = static_cast<double>(f);
    m1 += v;
    m2 += v * v - 1;
    m3 += v * v * v;
    m4 += v * v * v * v - 1.8;
  }
  // E zᵏ = 3^(k/2)/(k + 1) for even k: variances of z, z², z³, z⁴.
  check_mean_is_zero(m1, n, 1);
  check_mean_is_zero(m2, n, 1.8 - 1);
  check_mean_is_zero(m3, n, 27.0 / 7);
  check_mean_is_zero(m4, n, 9 - 1.8 * 1.8);
  for (const std::size_t lag : {1u, 2u, 15u, 16u, 17u, 32u, 48u, 64u, 4096u})
    check_mean_is_zero(product(z, std::span(z).subspan(lag)), n, 1);
  for (const direction d : {direction{1, 2, 4}, {1, 3, 3}, {2, 2, 3}})
    check_mean_is_zero(product(z, noise<float>(zoft::uniform{}, d, n)), n, 1);
}

TEST_CASE("sphere: z is the gaussian's direction, of length √n", "[noise]") {
  for (const std::size_t size : {1u, 2u, 3u, 7u, 8u, 9u, 63u, 64u, 65u, 4095u, 4096u, 4097u, 100'003u}) {
    CAPTURE(size);
    const direction d{5, 6, 7};
    const auto z = noise<float>(zoft::sphere{size}, d, size), g = noise<float>(zoft::gaussian{}, d, size);
    // Two roundings of the scale and one of each element, each of at most 2⁻²⁴.
    CHECK(std::abs(squares(z) / static_cast<double>(size) - 1) < 6 * 0x1p-24);
    const double scale = std::sqrt(static_cast<double>(size) / squares(g));
    for (std::size_t i = 0; i < size; ++i)
      REQUIRE(std::abs(static_cast<double>(z[i]) - scale * static_cast<double>(g[i])) <=
              3 * 0x1p-24 * std::abs(scale * static_cast<double>(g[i])));
  }
}

TEST_CASE("sphere: a gaussian of nothing but zeros has no direction", "[noise]") {
  // Found by search: the words of this step's first element round to u = 1.
  const direction d{0, 50893511, 0};
  REQUIRE(noise<float>(zoft::gaussian{}, d, 1) == std::vector<float>{0.0f});
  CHECK(noise<float>(zoft::sphere{1}, d, 1) == std::vector<float>{0.0f});
  for (std::uint32_t step = 0; step < 100; ++step)
    CHECK(std::abs(noise<float>(zoft::sphere{1}, {0, step, 0}, 1)[0]) == Approx(1.0f));
}

TEST_CASE("sphere: in three dimensions each coordinate is uniform, and a direction is as likely as any", "[noise]") {
  // Archimedes: the sphere's area between two parallel planes depends on their distance alone.
  constexpr std::uint32_t directions = 20'000;
  std::vector<float> coordinate[3];
  double across[3] = {};
  for (std::uint32_t step = 0; step < directions; ++step) {
    const auto z = noise<float>(zoft::sphere{3}, {8, step, 0}, 3);
    for (std::size_t j = 0; j < 3; ++j) {
      coordinate[j].push_back(z[j]);
      across[j] += static_cast<double>(z[j]) * static_cast<double>(z[(j + 1) % 3]);
    }
  }
  for (const auto& z : coordinate) check_distribution(z, uniform_cdf);
  // E z₀²z₁² = n/(n + 2) = 3/5.
  for (const double sum : across) check_mean_is_zero(sum, directions, 0.6);
}

TEST_CASE("sparse: the asked share is kept, and of it the sampler's own, and the rest keeps every bit", "[noise]") {
  for (const double density : {0.001, 0.1, 0.5, 0.9, 1.0}) {
    CAPTURE(density);
    const auto check = [&](const auto& inner) {
      const direction d{9, 10, 11};
      const auto z = noise<float>(inner, d, n);
      const std::vector<float> start(n, -0.0f);
      auto x = start;
      zoft::sparse{inner, density}.axpy(std::span(x), 1.0f, d);
      std::size_t kept = 0;
      double sum = 0, sum2 = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const bool in_mask = zoft::random::word({d.seed, 0, 0}, stream::mask, i) < density * 0x1p32;
        if (!in_mask && std::bit_cast<std::uint32_t>(x[i]) != 0x80000000u)
          FAIL("element " << i << " is not in the mask, and became " << x[i]);
        if (!in_mask) continue;
        if (x[i] != z[i]) FAIL("element " << i << " is " << x[i] << ", and " << z[i] << " without a mask");
        ++kept;
        sum += static_cast<double>(x[i]);
        sum2 += static_cast<double>(x[i] * x[i]) - 1;
      }
      const double count = static_cast<double>(kept);
      CHECK(std::abs(count - density * n) <= 5 * std::sqrt(n * density * (1 - density)));
      check_mean_is_zero(sum, count, 1);
      check_mean_is_zero(sum2, count, 2);
    };
    check(zoft::gaussian{});
    check(zoft::rademacher{});
  }
}

TEST_CASE("sparse: the mask is the run's, or the step's", "[noise]") {
  const auto mask = [](const auto& sampler, direction d) {
    std::vector<bool> m;
    for (const float z : noise<float>(sampler, d, 10'000)) m.push_back(z != 0);
    return m;
  };
  const zoft::sparse<zoft::rademacher> fixed{.density = 0.3}, renewed{.density = 0.3, .renewed = true};
  CHECK(mask(fixed, {1, 2, 3}) == mask(fixed, {1, 200, 0}));
  CHECK(mask(fixed, {1, 2, 3}) != mask(fixed, {2, 2, 3}));
  CHECK(mask(renewed, {1, 2, 3}) == mask(renewed, {1, 2, 4}));
  CHECK(mask(renewed, {1, 2, 3}) != mask(renewed, {1, 3, 3}));
  CHECK(mask(renewed, {1, 0, 3}) == mask(fixed, {1, 0, 3}));
  // Masks of steps overlap by chance alone: 0.3² of the elements.
  double both = 0;
  for (std::uint32_t step = 0; step < 50; ++step) {
    const auto a = mask(renewed, {1, step, 0}), b = mask(renewed, {1, step + 1, 0});
    for (std::size_t i = 0; i < a.size(); ++i) both += (a[i] && b[i] ? 1 : 0) - 0.09;
  }
  check_mean_is_zero(both, 500'000, 0.09 * 0.91 + 2 * 0.3 * 0.3 * 0.3 * 0.7);
}

TEST_CASE("streams: the words for separate things are separate", "[noise]") {
  const direction d{12, 13, 14};
  std::vector<std::vector<float>> z;
  for (const auto s : {stream::perturbation, stream::initialisation, stream::data, stream::mask, stream::left_factor,
                       stream::right_factor, stream::radius}) {
    z.emplace_back(n, 0.0f);
    zoft::random::drawn<zoft::random::normal>(d, s).axpy(std::span(z.back()), 1.0f);
    check_mean_is_zero(squares(z.back()) - static_cast<double>(n), n, 2);
  }
  CHECK(z[0] == noise<float>(zoft::gaussian{}, d, n));
  for (std::size_t a = 0; a < z.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) check_mean_is_zero(product(z[a], z[b]), n, 1);
}
