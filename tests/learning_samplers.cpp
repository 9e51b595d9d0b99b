// Samplers that depend on the weights or on curvatures, and change only after the update: small_weights,
// preconditioned.
#include <algorithm>
#include <limits>
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/hessian_informed.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/preconditioned.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/small_weights.hpp>
#include <zoft/sampler/sparse.hpp>

#include "core_support.hpp"
#include "noise_hash.hpp"

namespace learning_samplers_tests {

using namespace core_test;
using zoft::direction;

using small = zoft::small_weights<zoft::gaussian>;
using curved = zoft::preconditioned<zoft::gaussian>;

static_assert(zoft::learning_sampler<small, float> && zoft::learning_sampler<curved, double>);

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

zoft::layout shape() {
  zoft::layout result;
  result.add("embedding", 50, 61);
  result.add("gain", 100);
  result.add("head", 30, 70);
  return result;
}

// Gaussian weights, of a scale by tensor.
template <class T>
std::vector<T> weights(const zoft::layout& tensors) {
  std::vector<T> x;
  float scale = 0.02f;
  for (const auto& t : tensors) {
    for (const float z : noise<float>(zoft::gaussian{}, {99, 0, static_cast<std::uint32_t>(t.offset)}, t.size()))
      x.push_back(T(scale * z));
    scale *= 10;
  }
  return x;
}

template <class T>
double magnitude_of(T v) {
  return std::abs(static_cast<double>(static_cast<zoft::arithmetic_t<T>>(v)));
}

}  // namespace

TEMPLATE_TEST_CASE("small_weights: the smallest of each tensor, as many as were asked", "[noise]", float, double,
                   zoft::bfloat16, zoft::half) {
  using T = TestType;
  const auto tensors = shape();
  auto x = weights<T>(tensors);
  for (const double density : {0.0, 0.1, 0.25, 0.5, 0.9, 1.0}) {
    CAPTURE(density);
    small sampler{.density = density};
    sampler.start<T>(x, tensors);
    const auto z = noise<float>(zoft::gaussian{}, {1, 2, 3}, x.size());
    const auto masked = noise<float>(sampler, {1, 2, 3}, x.size());
    for (const auto& t : tensors) {
      std::vector<double> sorted;
      for (std::size_t i = t.offset; i < t.offset + t.size(); ++i) sorted.push_back(magnitude_of(x[i]));
      std::sort(sorted.begin(), sorted.end());
      const auto asked = static_cast<std::size_t>(std::floor(density * static_cast<double>(t.size()) + 0.5));
      std::size_t kept = 0;
      for (std::size_t i = t.offset; i < t.offset + t.size(); ++i) {
        const bool in = asked > 0 && magnitude_of(x[i]) <= sorted[asked - 1];
        kept += in;
        REQUIRE(masked[i] == (in ? z[i] : 0.0f));
      }
      // Two bytes leave equal magnitudes, which go together.
      if (sizeof(T) > 2) CHECK(kept == asked);
      CHECK(kept >= asked);
    }
  }
}

TEST_CASE("small_weights: a pure function of the direction while nothing is learnt, and off the mask all bits stay",
          "[noise]") {
  const auto tensors = shape();
  const auto x = weights<float>(tensors);
  zoft::small_weights<zoft::rademacher> sampler{.density = 0.3};
  sampler.start<float>(x, tensors);
  const std::vector<float> still(x.size(), -0.0f);
  auto whole = still, pieces = still;
  sampler.axpy(std::span(whole), 0.5f, {1, 2, 3});
  for (std::size_t first = 0, length = 1; first < x.size();
       first += length, length = std::min<std::size_t>(999, x.size() - first))
    sampler.axpy(std::span(pieces).subspan(first, std::min(length, x.size() - first)), 0.5f, {1, 2, 3}, first);
  CHECK(bits(pieces) == bits(whole));
  std::size_t moved_elements = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool in = (sampler.mask[i / 64] >> i % 64 & 1u) != 0;
    moved_elements += in;
    REQUIRE((in ? std::abs(whole[i]) == 0.5f : std::bit_cast<std::uint32_t>(whole[i]) == 0x80000000u));
  }
  CHECK(static_cast<double>(moved_elements) == Approx(0.3 * static_cast<double>(x.size())).margin(2));
  CHECK_THROWS_AS(sampler.axpy(std::span(whole), 1.0f, {1, 2, 3}, 1), std::invalid_argument);
  CHECK_THROWS_AS(small{}.axpy(std::span(whole), 1.0f, {1, 2, 3}), std::invalid_argument);
}

TEST_CASE("sparsity comes out as it was asked, and not as a normal below it", "[noise]") {
  const std::size_t n = 100'000;
  zoft::layout one;
  one.add("w", n);
  const auto x = weights<float>(one);
  const auto within = [&](std::size_t zeroed, double s) {
    return std::abs(static_cast<double>(zeroed) - s * n) <= 5 * std::sqrt(n * s * (1 - s));
  };
  const auto zeros = [&](const auto& sampler) {
    const auto z = noise<float>(sampler, {4, 5, 6}, n);
    return static_cast<std::size_t>(std::count(z.begin(), z.end(), 0.0f));
  };
  for (const double s : {0.0, 0.1, 0.5, 0.9}) {
    CAPTURE(s);
    zoft::small_weights<zoft::rademacher> sampler{.density = 1 - s};
    sampler.start<float>(x, one);
    CHECK(within(zeros(sampler), s));
    CHECK(within(zeros(zoft::sparse<zoft::rademacher>{.density = 1 - s}), s));
    // A released program's: zero where a normal is below s.
    std::size_t faulty = 0;
    for (const float v : noise<float>(zoft::gaussian{}, {7, 8, 9}, n)) faulty += static_cast<double>(v) < s;
    const double expected = 0.5 * std::erfc(-s / std::sqrt(2.0));
    CHECK(within(faulty, expected));
    CHECK_FALSE(within(faulty, s));
  }
}

TEST_CASE("small_weights: the mask follows the weights, after the update only", "[noise]") {
  const std::size_t n = 200;
  std::vector<double> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(0.01 * static_cast<double>(i + 1));
  zoft::engine tuner{small{.density = 0.5}, zoft::two_point{.epsilon = 1e-4}, zoft::full{},
                     zoft::sgd{.learning_rate = 0.02}, zoft::seed{3}};
  const auto loss = [](std::span<const double> w) {
    double sum = 0;
    for (const double v : w) sum -= v;
    return sum;
  };
  const auto before = x;
  const auto initial = [&](std::size_t i) { return before[i] <= 1.0; };
  for (int step = 0; step < 20; ++step) {
    const auto mask = tuner.sampler().mask;
    const auto now = x;
    tuner.step(std::span(x), loss);
    for (std::size_t i = 0; i < n && step > 0; ++i) REQUIRE((x[i] != now[i]) == ((mask[i / 64] >> i % 64 & 1u) != 0));
    for (std::size_t i = 0; i < n; ++i)
      REQUIRE(((tuner.sampler().mask[i / 64] >> i % 64 & 1u) != 0) == (std::abs(x[i]) <= 1.0));
  }
  std::size_t rested = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (!initial(i)) CHECK(x[i] == before[i]);
    if (initial(i) && std::abs(x[i]) > 1.0) ++rested;
  }
  CHECK(rested > 0);
  const auto mask = tuner.sampler().mask;
  tuner.step(std::span(x), [](std::span<const double>) { return not_a_number; });
  CHECK(tuner.sampler().mask == mask);
}

TEST_CASE("preconditioned: z over the root of H, which follows the formula", "[noise]") {
  const std::size_t n = 4100, q = 2;
  curved sampler{.smoothing = 0.25};
  std::vector<float> x(n, 1.0f);
  sampler.start<float>(x, {});
  const direction step{7, 3, 0};
  // H is 1 at the start.
  CHECK(noise<float>(sampler, step, n) == noise<float>(zoft::gaussian{}, step, n));
  std::vector<double> h(n, 1.0);
  const zoft::extent whole{0, n};
  for (std::uint32_t t = 3; t < 6; ++t) {
    const std::vector<double> k{3.0 * t, -0.5};
    std::vector<std::vector<double>> z;
    for (std::uint32_t i = 0; i < q; ++i) z.push_back(noise<double>(zoft::gaussian{}, {7, t, i}, n));
    sampler.learn<float>(x, std::span(&whole, 1), {7, t, 0}, k);
    for (std::size_t j = 0; j < n; ++j) {
      const double mean = (std::abs(k[0]) / 2 * z[0][j] * z[0][j] + std::abs(k[1]) / 2 * z[1][j] * z[1][j]) / q;
      h[j] = 0.75 * h[j] + 0.25 * mean * h[j];
      REQUIRE(sampler.hessian[j] == Approx(h[j]).epsilon(1e-6));
      h[j] = static_cast<double>(sampler.hessian[j]);
    }
  }
  const direction later{7, 6, 1};
  const auto z = noise<float>(zoft::gaussian{}, later, n), over = noise<float>(sampler, later, n);
  for (std::size_t j = 0; j < n; ++j) {
    const volatile float expected = z[j] * static_cast<float>(1 / std::sqrt(h[j]));
    REQUIRE(over[j] == expected);
  }
  std::vector<float> piece(100, 0.0f);
  sampler.axpy(std::span(piece), 1.0f, later, 2001);
  CHECK(std::equal(piece.begin(), piece.end(), over.begin() + 2001));
  CHECK_THROWS_AS(curved{}.axpy(std::span(piece), 1.0f, later), std::invalid_argument);
}

TEST_CASE("preconditioned: what H is moved by on average is known", "[noise]") {
  // For L = ½Σ hⱼxⱼ² and H = 1, with s = 1: E H = hⱼ + ½Σ h.
  const std::vector<double> h{1, 2, 4, 8};
  constexpr int trials = 10'000;
  std::vector<double> mean(4, 0.0), squares(4, 0.0);
  for (int t = 0; t < trials; ++t) {
    zoft::engine tuner{curved{.smoothing = 1}, zoft::hessian_informed{.epsilon = 0.5}, zoft::full{},
                       zoft::sgd{.learning_rate = 0}, zoft::seed{static_cast<std::uint64_t>(t)}};
    std::vector<double> x(4, 1.0);
    tuner.step(std::span(x), [&](std::span<const double> v) {
      double sum = 0;
      for (std::size_t j = 0; j < 4; ++j) sum += h[j] * v[j] * v[j] / 2;
      return sum;
    });
    for (std::size_t j = 0; j < 4; ++j) {
      const auto learnt = static_cast<double>(tuner.sampler().hessian[j]);
      mean[j] += learnt / trials;
      squares[j] += learnt * learnt / trials;
    }
  }
  for (std::size_t j = 0; j < 4; ++j)
    CHECK(std::abs(mean[j] - (h[j] + 7.5)) < 5 * std::sqrt((squares[j] - mean[j] * mean[j]) / trials));
}

TEST_CASE("preconditioned: H stays finite and positive, whatever the curvatures", "[noise]") {
  const std::size_t n = 300;
  std::vector<double> x(n, 1.0);
  const zoft::extent whole{0, n};
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double s : {0.0, 0.5, 1.0})
    for (const double k : {0.0, 1e-300, 1e300, 1.7e308, infinite, not_a_number}) {
      curved sampler{.smoothing = s};
      sampler.start<double>(x, {});
      for (std::uint32_t step = 0; step < 200; ++step)
        sampler.learn<double>(x, std::span(&whole, 1), {1, step, 0}, std::vector<double>{k});
      for (const float h : sampler.hessian)
        if (!(h >= 1e-12f * 0.999f && h <= 1e12f * 1.001f)) FAIL("H is " << h << " after curvatures of " << k);
      for (const float z : noise<float>(sampler, {1, 2, 3}, n))
        if (!zoft::is_finite(static_cast<double>(z))) FAIL("z is " << z);
      if (!zoft::is_finite(k) && s < 1) CHECK(sampler.hessian[0] == Approx(std::max(std::pow(1 - s, 200), 1e-12)));
    }
}

TEST_CASE("preconditioned: learns of what moved, and of steps that were applied", "[noise]") {
  struct second_only {
    zoft::layout layout;
    std::vector<bool> trains(const zoft::layout&, direction) const { return {false, true}; }
  };
  zoft::layout tensors;
  tensors.add("a", 5);
  tensors.add("b", 7);
  zoft::engine tuner{curved{.smoothing = 0.5}, zoft::hessian_informed{.queries = 2}, second_only{tensors},
                     zoft::sgd{.learning_rate = 1e-3}};
  std::vector<float> x(12, 1.0f);
  tuner.step(std::span(x), [](std::span<const float>) { return not_a_number; });
  CHECK(tuner.sampler().hessian == std::vector<float>(12, 1.0f));
  tuner.step(std::span(x), [](std::span<const float> v) { return sphere(v); });
  for (std::size_t i = 0; i < 12; ++i) CHECK((tuner.sampler().hessian[i] == 1.0f) == (i < 5));
}

TEST_CASE("learning samplers: the recorded bits", "[noise]") {
  const std::size_t n = 10'007;
  const auto hash = [](const auto& sampler) {
    const auto z = noise<float>(sampler, noise_hash::fixed, n);
    return noise_hash::of(std::span<const float>(z));
  };
  zoft::layout tensors;
  tensors.add("a", 100, 50);
  tensors.add("b", 5007);
  std::vector<float> x(n, 0.0f);
  zoft::gaussian{}.axpy(std::span(x), 0.05f, {1, 2, 3});
  small masked{.density = 0.3};
  masked.start<float>(x, tensors);
  CHECK(hash(masked) == 0x832840dbf40e7dc8);
  curved divided{.smoothing = 0.3};
  divided.start<float>(x, tensors);
  const zoft::extent whole{0, n};
  for (std::uint32_t step = 0; step < 5; ++step)
    divided.learn<float>(x, std::span(&whole, 1), {1, step, 0}, std::vector<double>{3.7, 0.1});
  CHECK(hash(divided) == 0x840207bc3fcec29e);
}

TEST_CASE("learning samplers: options out of range name the value", "[noise]") {
  const std::vector<float> x(3, 1.0f);
  CHECK(message([&] { small{.density = 1.5}.start<float>(x, {}); }) ==
        "zoft: small_weights: density is 1.5, and must be in [0, 1]");
  CHECK(message([&] { curved{.smoothing = -1}.start<float>(x, {}); }) ==
        "zoft: preconditioned: smoothing is -1, and must be in [0, 1]");
  CHECK(message([&] { curved{.lowest = 2, .highest = 1}.start<float>(x, {}); }) ==
        "zoft: preconditioned: lowest and highest are 2 and 1, and must be from 1e-30 to 1e30 in this order");
}

}  // namespace learning_samplers_tests
