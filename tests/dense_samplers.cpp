// What is particular to coordinate, orthogonal and scaled directions.
#include <algorithm>
#include <set>
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/coordinate.hpp>
#include <zoft/sampler/orthogonal.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/scaled.hpp>
#include <zoft/sampler/sphere.hpp>

#include "noise_hash.hpp"
#include "statistics_support.hpp"

namespace dense_samplers_tests {

using namespace core_test;
using namespace statistics;
using zoft::direction;
using zoft::order;

static_assert(zoft::sampler<zoft::coordinate, float> && zoft::sampler<zoft::orthogonal, double>);

namespace {

/// z in pieces, taken backwards, as a whole, and in double: the same numbers, and added to what is there.
template <class Sampler>
void check_pure(const Sampler& sampler, direction d, std::size_t size) {
  const auto whole = noise<float>(sampler, d, size);
  std::vector<float> pieces(size, 0.0f);
  for (std::size_t end = size, length = 1; end > 0; end -= std::min(end, length), length = 2 * length + 1) {
    const std::size_t first = end - std::min(end, length);
    sampler.axpy(std::span(pieces).subspan(first, end - first), 1.0f, d, first);
  }
  CHECK(bits(pieces) == bits(whole));
  const auto wide = noise<double>(sampler, d, size);
  bool same = true;
  for (std::size_t i = 0; i < size; ++i) same = same && wide[i] == static_cast<double>(whole[i]);
  CHECK(same);
  std::vector<zoft::bfloat16> narrow(size, zoft::bfloat16(0.5f)), expected = narrow;
  sampler.axpy(std::span(narrow), 0.1f, d);
  for (std::size_t i = 0; i < size; ++i) expected[i] = moved(expected[i], 0.1f, whole[i]);
  CHECK(bits(narrow) == bits(expected));
  std::vector<float> still(size, -0.0f);
  sampler.axpy(std::span(still), 0.0f, d);
  CHECK(bits(still) == bits(std::vector<float>(size, -0.0f)));
  CHECK_THROWS_AS(sampler.axpy(std::span(still), 1.0f, d, 1), std::invalid_argument);
}

/// E zzᵀ = I over `count` directions, by five standard deviations of the products themselves.
template <class Sampler>
void check_identity(const Sampler& sampler, std::size_t size, std::uint32_t count, std::uint32_t query) {
  std::vector<double> sum(size * size, 0.0), squares = sum;
  for (std::uint32_t step = 0; step < count; ++step) {
    const auto z = noise<double>(sampler, {11, step, query}, size);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = 0; j <= i; ++j) {
        sum[i * size + j] += z[i] * z[j] / count;
        squares[i * size + j] += z[i] * z[j] * z[i] * z[j] / count;
      }
  }
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const double mean = sum[i * size + j], variance = squares[i * size + j] - mean * mean;
      CHECK(std::abs(mean - (i == j ? 1 : 0)) <= 5 * std::sqrt(variance / count) + 1e-6);
    }
}

double chain(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += std::sin(static_cast<double>(i + 1)) * x[i] + static_cast<double>(i + 1) * x[i] * x[i];
    if (i > 0) sum -= 0.5 * x[i] * x[i - 1];
  }
  return sum;
}

std::vector<double> slope_of_chain(const std::vector<double>& x) {
  std::vector<double> g;
  for (std::size_t i = 0; i < x.size(); ++i) {
    g.push_back(std::sin(static_cast<double>(i + 1)) + 2 * static_cast<double>(i + 1) * x[i]);
    if (i > 0) g[i] -= 0.5 * x[i - 1];
    if (i + 1 < x.size()) g[i] -= 0.5 * x[i + 1];
  }
  return g;
}

/// ĝ of one step at x.
template <class Sampler, class Estimator>
std::vector<double> estimate(const Sampler& sampler, const Estimator& estimator, std::vector<double> x,
                             std::uint64_t seed = 1, const zoft::layout& shape = {}) {
  zoft::engine tuner{sampler, estimator, zoft::full{.layout = shape}, zoft::sgd{.learning_rate = 1}, zoft::seed{seed}};
  auto before = x;
  tuner.step(std::span(x), chain);
  for (std::size_t i = 0; i < x.size(); ++i) before[i] -= x[i];
  return before;
}

}  // namespace

TEST_CASE("coordinate: √m on one block and 0 elsewhere", "[noise]") {
  for (const std::uint64_t block : {1u, 3u, 7u, 20u}) {
    const zoft::coordinate sampler{.size = 20, .block = block};
    const std::uint64_t blocks = (20 + block - 1) / block;
    for (std::uint32_t step = 0; step < 50; ++step) {
      const auto z = noise<float>(sampler, {3, step, 1}, 20);
      std::set<std::uint64_t> touched;
      std::size_t moved_elements = 0;
      for (std::uint64_t i = 0; i < 20; ++i)
        if (z[i] != 0) {
          ++moved_elements;
          touched.insert(i / block);
          REQUIRE(std::abs(z[i]) == static_cast<float>(std::sqrt(static_cast<double>(blocks))));
          if (block == 1) REQUIRE(z[i] > 0);
        }
      REQUIRE(touched.size() == 1);
      REQUIRE(moved_elements == std::min(block, 20 - *touched.begin() * block));
    }
    check_pure(sampler, {3, 4, 5}, 20);
  }
  check_pure(zoft::coordinate{.size = 10'000, .block = 5000}, {3, 4, 5}, 10'000);
  // Off the block every bit is kept.
  std::vector<float> x(20, -0.0f);
  zoft::coordinate{.size = 20, .block = 5}.axpy(std::span(x), 1.0f, {1, 1, 1});
  CHECK(std::count_if(x.begin(), x.end(), [](float v) { return std::bit_cast<std::uint32_t>(v) == 0x80000000u; }) ==
        15);
}

TEST_CASE("coordinate: in random order E zzᵀ = I, in cyclic order each comes in turn", "[noise]") {
  check_identity(zoft::coordinate{.size = 7}, 7, 20'000, 0);
  check_identity(zoft::coordinate{.size = 7, .block = 3}, 7, 20'000, 2);
  for (std::uint32_t step = 0; step < 3; ++step) {
    std::vector<float> sum(12, 0.0f);
    for (std::uint32_t query = 0; query < 4; ++query)
      zoft::coordinate{.size = 12, .block = 3, .order = order::cyclic}.axpy(std::span(sum), 1.0f, {1, step, query});
    for (const float v : sum) CHECK(std::abs(v) == 2.0f);
  }
  // More coordinates than one word of 32 bits tells apart; the last are reached, too.
  const std::uint64_t many = std::uint64_t{1} << 40;
  std::uint64_t greatest = 0;
  std::set<std::uint64_t> remainders;
  for (std::uint32_t step = 0; step < 1000; ++step) {
    const auto z = zoft::coordinate{.size = many}.at({5, step, 0});
    REQUIRE(z.end == z.begin + 1);
    greatest = std::max(greatest, z.begin);
    remainders.insert(z.begin % 2);
  }
  CHECK(greatest < many);
  CHECK(greatest > many - many / 100);  // (1 − 1/100)^1000 is 4e-5
  CHECK(remainders.size() == 2);
}

TEST_CASE("coordinate: all coordinates of a step are finite differences of the whole gradient", "[noise]") {
  for (const std::size_t size : {4u, 5u, 16u}) {
    CAPTURE(size);
    std::vector<double> x;
    for (std::size_t i = 0; i < size; ++i) x.push_back(std::cos(static_cast<double>(i)));
    const zoft::coordinate cyclic{.size = size, .order = order::cyclic};
    const double h = 1e-3 * std::sqrt(static_cast<double>(size));
    const auto central = estimate(cyclic, zoft::two_point{.epsilon = 1e-3, .queries = size}, x), g = slope_of_chain(x);
    const auto forward = estimate(cyclic, zoft::one_sided{.epsilon = 1e-3, .queries = size}, x);
    for (std::size_t i = 0; i < size; ++i) {
      // √size is rounded to float.
      CHECK(central[i] == Approx(g[i]).epsilon(1e-7 + 1e-10));
      CHECK(forward[i] == Approx(g[i] + static_cast<double>(i + 1) * h).epsilon(2e-7));
    }
  }
}

TEST_CASE("orthogonal: the directions of a step are orthogonal and of length √n", "[noise]") {
  for (const std::size_t size : {1u, 3u, 8u, 100u, 5003u})
    for (const std::uint32_t q : {1u, 2u, 3u, 8u}) {
      if (q > size) continue;
      CAPTURE(size, q);
      const zoft::orthogonal sampler{.size = size, .queries = q};
      std::vector<std::vector<float>> z;
      for (std::uint32_t query = 0; query < 2 * q; ++query) z.push_back(noise<float>(sampler, {5, 6, query}, size));
      const double squared_length = static_cast<double>(size);
      for (std::size_t i = 0; i < z.size(); ++i) {
        // Each element is rounded to float; with n = q the gaussians may be close to dependent.
        CHECK(product(z[i], z[i]) / squared_length == Approx(1).epsilon(2e-7));
        for (std::size_t j = i / q * q; j < i; ++j) CHECK(std::abs(product(z[i], z[j])) / squared_length < 4e-7);
      }
      // The first is the sphere's, but for rounding.
      const auto s = noise<float>(zoft::sphere{size}, {5, 6, 0}, size);
      for (std::size_t i = 0; i < size; ++i) REQUIRE(z[0][i] == Approx(s[i]).epsilon(4e-7));
      // The second group is of other gaussians, and not orthogonal to the first.
      CHECK(z[q] != z[0]);
    }
  check_pure(zoft::orthogonal{.size = 5003, .queries = 3}, {1, 2, 2}, 5003);
  check_pure(zoft::orthogonal{.size = 100, .queries = 2}, {1, 2, 5}, 100);
}

TEST_CASE("orthogonal: each direction by itself is uniform on the sphere", "[noise]") {
  for (const std::uint32_t query : {0u, 2u}) {
    check_identity(zoft::orthogonal{.size = 4, .queries = 3}, 4, 10'000, query);
    // Archimedes: in three dimensions each coordinate is uniform.
    std::vector<float> coordinate;
    for (std::uint32_t step = 0; step < 10'000; ++step)
      coordinate.push_back(noise<float>(zoft::orthogonal{.size = 3, .queries = 3}, {8, step, query}, 3)[1]);
    const double sqrt3 = std::sqrt(3.0);
    check_distribution(coordinate, [&](double v) { return std::clamp((v + sqrt3) / (2 * sqrt3), 0.0, 1.0); });
  }
}

TEST_CASE("orthogonal: as many directions as parameters are the whole gradient", "[noise]") {
  const std::size_t size = 12;
  std::vector<double> x;
  for (std::size_t i = 0; i < size; ++i) x.push_back(std::cos(static_cast<double>(i)));
  const auto g = slope_of_chain(x);
  const auto whole = estimate(zoft::orthogonal{.size = size, .queries = size}, zoft::two_point{.queries = size}, x);
  double error = 0, length = 0, independent = 0;
  const auto gaussians = estimate(zoft::gaussian{}, zoft::two_point{.queries = size}, x);
  for (std::size_t i = 0; i < size; ++i) {
    error += (whole[i] - g[i]) * (whole[i] - g[i]);
    independent += (gaussians[i] - g[i]) * (gaussians[i] - g[i]);
    length += g[i] * g[i];
  }
  CHECK(std::sqrt(error / length) < 1e-6);
  CHECK(std::sqrt(independent / length) > 0.1);
}

TEST_CASE("scaled: perturbs by z/d, and applies d ⊙ z or z", "[noise]") {
  zoft::layout shape;
  shape.add("a", 50, 61);
  shape.add("zeros", 7);
  shape.add("b", 2100);
  std::vector<double> x;
  for (const auto& t : shape)
    for (std::size_t i = 0; i < t.size(); ++i)
      x.push_back(t.name == "zeros" ? 0 : (t.name == "a" ? 3.0 : 0.1) * (i % 2 == 0 ? 1.0 : -1.0));
  const auto check = [&](auto sampler, std::vector<double> d) {
    sampler.template start<double>(x, shape);
    for (std::size_t t = 0; t < 3; ++t) CHECK(sampler.scales[t] == Approx(d[t]).epsilon(1e-12));
    const direction name{3, 4, 5};
    const auto z = noise<float>(sampler.sampler, name, x.size()), evaluated = noise<float>(sampler, name, x.size());
    std::vector<float> applied(x.size(), 0.0f);
    zoft::applied(sampler, name).axpy(std::span(applied), 1.0f, 0);
    std::size_t i = 0;
    for (std::size_t t = 0; t < 3; ++t)
      for (const std::size_t end = i + shape.tensors()[t].size(); i < end; ++i) {
        const volatile float over = z[i] * static_cast<float>(1 / sampler.scales[t]);
        const volatile float times = z[i] * static_cast<float>(sampler.scales[t]);
        REQUIRE(evaluated[i] == over);
        REQUIRE(applied[i] == (sampler.form == zoft::modified::variance ? times : z[i]));
      }
    check_pure(sampler, name, x.size());
  };
  using gaussians = zoft::scaled<zoft::gaussian>;
  check(gaussians{}, {3, 1, 0.1});
  check(gaussians{.form = zoft::modified::expectation}, {3, 1, 0.1});
  check(zoft::scaled<zoft::rademacher>{.scales = {0.5, 2, 4}}, {0.5, 2, 4});

  CHECK(message([&] {
          gaussians{.scales = {1, 2}}.start<double>(x, shape);
        }) == "zoft: scaled: scales has 2 numbers, and there are 3 tensors");
  CHECK(message([&] {
          gaussians{.scales = {1, 0, 2}}.start<double>(x, shape);
        }) == "zoft: scaled: a scale is 0, and must be from 1e-30 to 1e30");
}

TEST_CASE("scaled: the gradient on average where d is applied, and the gradient over d where not", "[noise]") {
  zoft::layout shape;
  shape.add("a", 3);
  shape.add("b", 5);
  const std::vector<double> x(8, 0.25), g = slope_of_chain(x), d{4, 0.5};
  constexpr int trials = 4000;
  for (const auto form : {zoft::modified::variance, zoft::modified::expectation}) {
    std::vector<double> mean(8, 0.0), squares(8, 0.0);
    for (int t = 0; t < trials; ++t) {
      const auto estimated = estimate(zoft::scaled<zoft::gaussian>{.form = form, .scales = d},
                                      zoft::two_point{.epsilon = 1e-3}, x, static_cast<std::uint64_t>(t), shape);
      for (std::size_t i = 0; i < 8; ++i) {
        mean[i] += estimated[i] / trials;
        squares[i] += estimated[i] * estimated[i] / trials;
      }
    }
    for (std::size_t i = 0; i < 8; ++i) {
      const double expected = form == zoft::modified::variance ? g[i] : g[i] / d[i < 3 ? 0 : 1];
      CHECK(std::abs(mean[i] - expected) < 5 * std::sqrt((squares[i] - mean[i] * mean[i]) / trials));
    }
  }
}

TEST_CASE("dense samplers: the recorded bits", "[noise]") {
  const std::size_t size = 10'007;
  const auto hash = [](const auto& sampler) {
    const auto z = noise<float>(sampler, noise_hash::fixed, size);
    return noise_hash::of(std::span<const float>(z));
  };
  CHECK(hash(zoft::coordinate{.size = size, .block = 4000}) == 0xb7d1d314c15e13d5);
  CHECK(hash(zoft::orthogonal{.size = size, .queries = 5}) == 0x32d9cfc14b1c82a7);
  zoft::layout shape;
  shape.add("a", 100, 50);
  shape.add("b", 5007);
  std::vector<float> x(size, 0.0f);
  zoft::gaussian{}.axpy(std::span(x), 0.05f, {1, 2, 3});
  zoft::scaled<zoft::gaussian> by_tensor;
  by_tensor.start<float>(x, shape);
  CHECK(hash(by_tensor) == 0xe085f609d5d3cb3c);
}

TEST_CASE("dense samplers: options out of range name the value", "[noise]") {
  const auto said = [](const auto& sampler) { return message([&] { sampler.at({1, 2, 3}); }); };
  CHECK(said(zoft::coordinate{}) == "zoft: coordinate: the size is 0, and must be the number of parameters, 1 to 2^40");
  CHECK(said(zoft::coordinate{.size = 3, .block = 4}) ==
        "zoft: coordinate: the block is 4, and must be 1 to the size, which is 3");
  CHECK(said(zoft::coordinate{.size = 3, .block = 0}) ==
        "zoft: coordinate: the block is 0, and must be 1 to the size, which is 3");
  CHECK(said(zoft::orthogonal{}) == "zoft: orthogonal: the size is 0, and must be the number of parameters, 1 to 2^40");
  CHECK(said(zoft::orthogonal{.size = 3, .queries = 4}) ==
        "zoft: orthogonal: queries is 4, and must be 1 to the size, which is 3");
}

}  // namespace dense_samplers_tests
