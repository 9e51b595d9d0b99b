#include <bit>
#include <complex>
#include <functional>
#include <zoft/nn/layer/elementwise.hpp>
#include <zoft/nn/layer/rotary.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

constexpr float least = std::numeric_limits<float>::lowest();

/// One float of some thousand, of every size and sign.
std::vector<float> all_sizes(std::uint32_t step = 4099) {
  std::vector<float> result{least, -least};
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += step) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::abs(x) < infinity) result.push_back(x);
  }
  return result;
}

struct tested_function {
  std::string name;
  std::function<void(std::span<const float>, std::span<float>)> fast, reference;
  std::function<double(double)> exact;
  std::function<double(double, double)> bound;  // of |error| at x, where y is exact
};

double gelu_argument(double x) { return std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x); }

std::vector<tested_function> activations() {
  return {
      {"relu", [](auto x, auto y) { relu(x, y); }, relu_reference, [](double x) { return std::max(x, 0.0); },
       [](double, double) { return 0.0; }},
      {"silu", [](auto x, auto y) { silu(x, y); }, silu_reference, [](double x) { return x / (1 + std::exp(-x)); },
       [](double, double y) { return 4 * unit * std::abs(y) + 4e-37; }},
      {"gelu", [](auto x, auto y) { gelu(x, y); }, gelu_reference,
       [](double x) { return x / 2 * std::erfc(-x / std::sqrt(2.0)); },
       [](double x, double y) {
         const double below = std::min(x, 0.0);
         return unit * (11 + 2 * below * below) * std::abs(y) + 1e-38;
       }},
      {"gelu_tanh", [](auto x, auto y) { gelu_tanh(x, y); }, gelu_tanh_reference,
       [](double x) {
         const double w = gelu_argument(x);
         return w < -3 ? x / (1 + std::exp(-2 * w)) : x * (1 + std::tanh(w)) / 2;  // the sum would cancel
       },
       [](double x, double y) {
         return unit * (5 + 6 * std::abs(std::min(gelu_argument(x), 0.0))) * std::abs(y) + 5e-38;
       }},
  };
}

/// The greatest of |yᵢ − exact(xᵢ)| over what is allowed there; infinite where one is NaN.
template <class Exact, class Bound>
double worst(const std::vector<float>& x, const std::vector<float>& y, Exact exact, Bound bound) {
  double result = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double wanted = exact(x[i]), error = std::abs(y[i] - wanted), allowed = bound(x[i], wanted);
    if (error == 0) continue;
    result = error <= result * allowed ? result : std::isnan(error) ? double{infinity} : error / allowed;
  }
  return result;
}

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

TEST_CASE("layer_norm: as near as it says, wherever the mean is", "[nn]") {
  draws d(17);
  for (std::size_t n = 1; n <= 300; n += n < 70 ? 1 : 23)
    for (const float centre : {0.0f, -3.0f, 1e3f, 1e5f}) {
      INFO("n " << n << ", centre " << centre);
      const float size = std::ldexp(1.0f, static_cast<int>(d.size(0, 6)) - 3);
      const std::vector<float> x = d.numbers(n, size, centre), gain = d.numbers(n, 1, 1), bias = d.numbers(n, 2);
      const double epsilon = n % 2 == 0 ? 1e-5 : 1e-6;
      std::vector<float> y(n), reference(n);
      layer_norm(x, gain, bias, epsilon, y);
      layer_norm_reference(x, gain, bias, epsilon, reference);
      long double mean = 0, variance = 0;
      for (const float value : x) mean += value;
      mean /= static_cast<long double>(n);
      for (const float value : x) variance += (value - mean) * (value - mean);
      const auto scale = 1 / std::sqrt(static_cast<double>(variance) / static_cast<double>(n) + epsilon);
      const double chain = static_cast<double>(n) / lanes + lanes;
      for (std::size_t i = 0; i < n; ++i) {
        const double z = static_cast<double>(x[i] - mean) * scale, exact = gain[i] * z + bias[i];
        const double normed = std::abs(gain[i]) * ((chain / 2 + 6) * std::abs(z) + chain + 2);
        CHECK(std::abs(y[i] - exact) <= unit * (normed + std::abs(exact)));
        CHECK(std::abs(reference[i] - exact) <= 1.01 * unit * std::abs(exact) + 1e-9);
      }
    }
}

TEST_CASE("layer_norm: a row of equal numbers becomes the bias", "[nn]") {
  draws d(18);
  for (std::size_t n = 1; n <= 600; n += n < 40 ? 1 : 37)
    for (const float value : {0.0f, 0.1f, -7.3f, 3e4f, 1e10f}) {
      INFO("n " << n << ", value " << value);
      const std::vector<float> x(n, value), gain(n, 2.0f), bias = d.numbers(n);
      std::vector<float> y(n);
      layer_norm(x, gain, bias, 1e-5, y);
      CHECK(y == bias);
    }
}

TEST_CASE("norms: equal elements become equal bits in any place, y may be x, NaN and infinities make no numbers",
          "[nn]") {
  draws d(19);
  for (std::size_t n = 2; n <= 70; ++n) {
    INFO("n " << n);
    std::vector<float> x(n), y(n), z(n), gain(n, 1.3f), bias(n, 0.2f);
    for (std::size_t i = 0; i < n; ++i) x[i] = i % 2 == 0 ? 0.7f : -0.4f;
    rms_norm(x, gain, 1e-5, y);
    layer_norm(x, gain, bias, 1e-5, z);
    for (std::size_t i = 2; i < n; ++i) {
      CHECK(y[i] == y[i % 2]);
      CHECK(z[i] == z[i % 2]);
    }
    std::vector<float> same = x;
    rms_norm(same, gain, 1e-5, same);
    CHECK(same_bits(same, y));
    same = x;
    layer_norm(same, gain, bias, 1e-5, same);
    CHECK(same_bits(same, z));
    for (const float no_number : {not_a_number, infinity, -infinity}) {
      x[d.size(0, n - 1)] = no_number;
      layer_norm(x, gain, bias, 1e-5, z);
      for (const float value : z) CHECK(std::isnan(value));
    }
    x[n - 1] = not_a_number;
    rms_norm(x, gain, 1e-5, y);
    for (const float value : y) CHECK(std::isnan(value));
  }
}

TEST_CASE("rotary: positions beyond the table, divisors, an amplitude, and elements that stay", "[nn]") {
  draws d(61);
  const std::vector<double> divisors{1, 2.5, 4};
  const rotary angles(100'000, 6, 500.0, rope::half_split, divisors, 1.25);
  for (const std::size_t position : sizes{0, 1, 8191, 8192, 8193, 99'999}) {
    const std::vector<float> x = d.numbers(2 * 10);  // two heads of 10, of which 6 are rotated
    std::vector<float> y = x;
    angles.rotate(y.data(), position, 2, 10);
    for (std::size_t head = 0; head < 20; head += 10) {
      for (std::size_t i = 0; i < 3; ++i) {
        const double angle =
            static_cast<double>(position) * std::pow(500.0, -2.0 * static_cast<double>(i) / 6) / divisors[i];
        const double a = x[head + i], b = x[head + i + 3];
        CHECK(y[head + i] == Approx(1.25 * (a * std::cos(angle) - b * std::sin(angle))).margin(1e-6));
        CHECK(y[head + i + 3] == Approx(1.25 * (a * std::sin(angle) + b * std::cos(angle))).margin(1e-6));
      }
      for (std::size_t i = 6; i < 10; ++i) CHECK(y[head + i] == x[head + i]);
    }
  }
}

TEST_CASE("elementwise: products, scales and soft caps", "[nn]") {
  draws d(62);
  for (std::size_t n = 1; n < 70; ++n)
    for (const float size : {1e-3f, 1.0f, 100.0f}) {
      const std::vector<float> x = d.numbers(n, size), y = d.numbers(n);
      std::vector<float> product = x, scaled = x, capped = x, same = x;
      multiply(product, y);
      scale(scaled, 0.3f);
      soft_cap(capped, 30.0f);
      scale(same, 1.0f);
      soft_cap(same, 0.0f);
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(product[i] == x[i] * y[i]);
        CHECK(scaled[i] == x[i] * 0.3f);
        CHECK(same[i] == x[i]);
        CHECK(std::abs(capped[i] - 30 * std::tanh(x[i] / 30.0)) <= 8 * unit * std::abs(double{x[i]}));
      }
    }
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

TEST_CASE("activations: as near as they say, over floats of every size", "[nn]") {
  const std::vector<float> x = all_sizes();
  std::vector<float> y(x.size());
  for (const tested_function& a : activations()) {
    INFO(a.name);
    a.fast(x, y);
    CHECK(worst(x, y, a.exact, a.bound) <= 1);
    a.reference(x, y);
    CHECK(worst(x, y, a.exact, [](double, double exact) { return 1.01 * unit * std::abs(exact) + 1e-45; }) <= 1);
  }
}

TEST_CASE("activations: zeros keep their sign, infinities have their limits, NaN is NaN", "[nn]") {
  for (const tested_function& a : activations())
    for (const auto& f : {a.fast, a.reference})
      for (std::size_t place = 0; place < 20; ++place) {
        INFO(a.name << ", place " << place);
        std::vector<float> x(20, 0.5f), y(20);
        const auto at = [&](float value) {
          x[place] = value;
          f(x, y);
          return y[place];
        };
        CHECK(std::bit_cast<std::uint32_t>(at(0.0f)) == 0);
        CHECK(std::bit_cast<std::uint32_t>(at(-0.0f)) == 0x80000000u);
        CHECK(at(infinity) == infinity);
        CHECK(at(-infinity) == 0);
        CHECK(at(-least) == -least);
        CHECK(at(least) == 0);
        CHECK(at(1e30f) == 1e30f);
        CHECK(at(-1e30f) == 0);
        CHECK(std::isnan(at(not_a_number)));
        CHECK(std::isnan(at(-not_a_number)));
        y[(place + 1) % 20] = 0;
        for (std::size_t i = 0; i < 20; ++i) CHECK(std::isnan(y[i]) == (i == place));
      }
}

TEST_CASE("activations: an element has the same bits in any place, and y may be x", "[nn]") {
  draws d(16);
  const std::vector<float> x = d.numbers(90, 9);
  for (const tested_function& a : activations()) {
    std::vector<float> whole(x.size());
    a.fast(x, whole);
    for (std::size_t first = 0; first < 20; ++first)
      for (std::size_t n = 0; first + n <= x.size(); ++n) {
        INFO(a.name << " from " << first << ", n " << n);
        const std::vector<float> some(x.begin() + static_cast<std::ptrdiff_t>(first),
                                      x.begin() + static_cast<std::ptrdiff_t>(first + n));
        const std::vector<float> wanted(whole.begin() + static_cast<std::ptrdiff_t>(first),
                                        whole.begin() + static_cast<std::ptrdiff_t>(first + n));
        std::vector<float> y(n + 1, 7.0f);
        a.fast(some, std::span(y).first(n));
        CHECK(y.back() == 7);
        y.pop_back();
        CHECK(same_bits(y, wanted));
        y = some;
        a.fast(y, y);
        CHECK(same_bits(y, wanted));
      }
  }
}

TEST_CASE("swiglu: as near as it says, over gates of every size, and in any place", "[nn]") {
  std::vector<float> gate = all_sizes(40009);
  std::erase_if(gate, [](float g) { return std::abs(g) > 1e38f; });  // of which the product may be no float
  std::vector<float> y(gate.size()), one(1);
  for (const float up : {1.0f, -1.7f, 0.003f}) {
    const std::vector<float> ups(gate.size(), up);
    const auto exact = [&](double g) { return g / (1 + std::exp(-g)) * up; };
    swiglu(gate, ups, y);
    CHECK(worst(gate, y, exact,
                [&](double, double wanted) { return 5 * unit * std::abs(wanted) + 4e-37 * std::abs(up); }) <= 1);
    for (std::size_t i = 0; i < gate.size(); i += 997) {
      swiglu(std::span<const float>(gate).subspan(i, 1), std::span<const float>(ups).subspan(i, 1), one);
      CHECK(std::bit_cast<std::uint32_t>(one[0]) == std::bit_cast<std::uint32_t>(y[i]));
    }
    swiglu_reference(gate, ups, y);
    CHECK(worst(gate, y, exact, [](double, double wanted) { return 1.01 * unit * std::abs(wanted) + 1e-45; }) <= 1);
  }
}

TEST_CASE("swiglu: infinities have their limits, NaN is NaN", "[nn]") {
  for (const auto f :
       {+[](std::span<const float> g, std::span<const float> u, std::span<float> y) { swiglu(g, u, y); },
        +[](std::span<const float> g, std::span<const float> u, std::span<float> y) { swiglu_reference(g, u, y); }}) {
    const std::vector<float> gate{infinity, -infinity, not_a_number, 2, -infinity}, up{-2, 3, 1, not_a_number, -1};
    std::vector<float> y(5);
    f(gate, up, y);
    CHECK(y[0] == -infinity);
    CHECK(y[1] == 0);
    CHECK(std::isnan(y[2]));
    CHECK(std::isnan(y[3]));
    CHECK(y[4] == 0);
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
