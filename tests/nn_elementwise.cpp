#include <complex>
#include <zoft/nn/cross_entropy.hpp>
#include <zoft/nn/elementwise.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

constexpr double lanes = zoft::simd::floats<>::size;
constexpr float infinity = std::numeric_limits<float>::infinity();

}  // namespace

TEST_CASE("rms_norm: within the roundings of a float's mean square and three products", "[nn]") {
  draws d(11);
  for (std::size_t n = 1; n <= 100; ++n) {
    INFO("n " << n);
    const float size = std::ldexp(1.0f, static_cast<int>(d.size(0, 20)) - 10);
    const std::vector<float> x = d.numbers(n, size), gain = d.numbers(n, 1, 1);
    const double epsilon = n % 2 == 0 ? 1e-5 : 1e-6;
    std::vector<float> y(n), reference(n);
    rms_norm(x, gain, epsilon, y);
    rms_norm_reference(x, gain, epsilon, reference);
    double square = 0;
    for (const float value : x) square += double{value} * value;
    const double scale = 1 / std::sqrt(square / static_cast<double>(n) + epsilon);
    // A sum of positive terms, a chain of n/lanes in each lane and then over the lanes; under the root it counts half.
    const double bound = unit * ((static_cast<double>(n) / lanes + lanes) / 2 + 3);
    for (std::size_t i = 0; i < n; ++i) {
      const double exact = double{x[i]} * gain[i] * scale;
      CHECK(std::abs(y[i] - exact) <= bound * std::abs(exact));
      CHECK(std::abs(reference[i] - exact) <= 1.01 * unit * std::abs(exact));
    }
  }
}

TEST_CASE("rms_norm: a row of zeros stays zero", "[nn]") {
  const std::vector<float> x(21), gain(21, 2.0f);
  std::vector<float> y(21, 1.0f);
  rms_norm(x, gain, 1e-5, y);
  CHECK(y == x);
}

TEST_CASE("rotary: a rotation of complex numbers, interleaved and half-split", "[nn]") {
  draws d(12);
  for (const rope pairing : {rope::interleaved, rope::half_split})
    for (const std::size_t dim : sizes{2, 4, 6, 10, 64, 80}) {
      const std::size_t context = 600;
      const double base = dim == 10 ? 1e6 : 1e4;
      const rotary angles(context, dim, base, pairing);
      for (const std::size_t position : sizes{0, 1, 2, 77, 599}) {
        INFO("d " << dim << ", position " << position << ", interleaved " << (pairing == rope::interleaved));
        const std::vector<float> x = d.numbers(dim);
        std::vector<float> y = x;
        angles.rotate(y.data(), position);
        for (std::size_t i = 0; i < dim / 2; ++i) {
          const std::size_t re = pairing == rope::interleaved ? 2 * i : i;
          const std::size_t im = pairing == rope::interleaved ? 2 * i + 1 : i + dim / 2;
          const double frequency = std::exp(-std::log(base) * 2 * static_cast<double>(i) / static_cast<double>(dim));
          const auto turned =
              std::complex<double>(x[re], x[im]) * std::polar(1.0, static_cast<double>(position) * frequency);
          const double bound = 3 * unit * (std::abs(x[re]) + std::abs(x[im])) + 1e-12;
          CHECK(std::abs(y[re] - turned.real()) <= bound);
          CHECK(std::abs(y[im] - turned.imag()) <= bound);
        }
      }
    }
}

TEST_CASE("swiglu: within eight roundings, and to nothing where silu goes to nothing", "[nn]") {
  draws d(13);
  for (std::size_t n = 1; n <= 70; ++n) {
    const float size = n % 3 == 0 ? 120.0f : 4.0f;
    const std::vector<float> gate = d.numbers(n, size), up = d.numbers(n, 2);
    std::vector<float> y(n), reference(n);
    swiglu(gate, up, y);
    swiglu_reference(gate, up, reference);
    for (std::size_t i = 0; i < n; ++i) {
      INFO("n " << n << ", gate " << gate[i] << ", up " << up[i]);
      const double exact = gate[i] / (1 + std::exp(-double{gate[i]})) * up[i];
      // Below −88, e⁻ᵃ is beyond a float and the quotient 0 for what is under 88·e⁻⁸⁸.
      CHECK(std::abs(y[i] - exact) <= 8 * unit * std::abs(exact) + 1e-36 * std::abs(up[i]));
      CHECK(std::abs(reference[i] - exact) <= 1.01 * unit * std::abs(exact) + 1e-45);
    }
  }
}

TEST_CASE("swiglu: very large gates neither overflow nor become NaN", "[nn]") {
  const std::vector<float> gate{1e30f, -1e30f, 88.5f, -88.5f, -104.0f, 0.0f, -0.0f, 3e38f, -3e38f};
  std::vector<float> y(gate.size());
  swiglu(gate, std::vector<float>(gate.size(), 1.0f), y);
  CHECK(y[0] == 1e30f);
  CHECK(y[2] == Approx(88.5));
  CHECK(y[7] == 3e38f);
  for (const std::size_t i : sizes{1, 3, 4, 5, 6, 8}) CHECK(std::abs(y[i]) <= 1e-36f);
}

TEST_CASE("add: every element once, at any length", "[nn]") {
  draws d(14);
  for (std::size_t n = 0; n <= 50; ++n) {
    const std::vector<float> x = d.numbers(n), y = d.numbers(n);
    std::vector<float> sum = x, wanted = x;
    for (std::size_t i = 0; i < n; ++i) wanted[i] += y[i];
    add(std::span<float>(sum), y);
    CHECK(same_bits(sum, wanted));
  }
}

TEST_CASE("cross_entropy: −ln p of the label and the greatest logit's place", "[nn]") {
  draws d(15);
  for (std::size_t n = 1; n <= 150; ++n) {
    const float size = n % 4 == 0 ? 60.0f : n % 4 == 1 ? 1e-3f : 5.0f;
    const std::vector<float> logits = d.numbers(n, size, n % 5 == 0 ? 1000.0f : 0.0f);
    const std::size_t label = d.size(0, n - 1);
    INFO("n " << n << ", label " << label);
    const token_score score = cross_entropy(logits, label), reference = cross_entropy_reference(logits, label);
    const auto greatest = std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(double{x} - *greatest);
    const double exact = std::log(sum) + (double{*greatest} - logits[label]);
    // Relative error of the sum: the rounding of x − max counts |t|·e^−|t| < 1 times, exp twice, the lanes' sum.
    CHECK(std::abs(score.nll - exact) <= unit * (4 + lanes));
    CHECK(std::abs(reference.nll - exact) <= 1e-12 * (1 + std::abs(*greatest)));
    CHECK(score.best == greatest - logits.begin());
    CHECK(reference.best == greatest - logits.begin());
  }
}

TEST_CASE("cross_entropy: of equal logits the first is best", "[nn]") {
  for (const std::size_t n : sizes{1, 2, 5, 16, 33}) {
    std::vector<float> logits(n, 2.0f);
    CHECK(cross_entropy(logits, n - 1).best == 0);
    CHECK(cross_entropy(logits, n - 1).nll == Approx(std::log(static_cast<double>(n))).margin(1e-6));
    CHECK(cross_entropy_reference(logits, n - 1).best == 0);
    if (n < 3) continue;
    logits[n - 2] = logits[n - 1] = 3.0f;
    CHECK(cross_entropy(logits, 0).best == static_cast<std::int32_t>(n - 2));
  }
}

TEST_CASE("cross_entropy: huge logits are exact, −∞ is no token, NaN is NaN and no best", "[nn]") {
  for (const std::size_t n : sizes{3, 16, 37}) {
    std::vector<float> logits(n, -1e30f);
    logits[1] = 1e30f;
    CHECK(cross_entropy(logits, 1).nll == 0);
    CHECK(cross_entropy(logits, 0).nll == Approx(2e30));
    logits.assign(n, -infinity);
    logits[2] = 4;
    CHECK(cross_entropy(logits, 2).nll == 0);
    CHECK(cross_entropy(logits, 0).nll == std::numeric_limits<double>::infinity());
    CHECK(cross_entropy(logits, 0).best == 2);
    for (std::size_t at = 0; at < n; ++at) {
      logits.assign(n, 1.0f);
      logits[at] = not_a_number;
      CHECK(std::isnan(cross_entropy(logits, 0).nll));
      CHECK(cross_entropy(logits, 0).best == -1);
    }
  }
}
