// The bits of z: the same for every compiler, every level of optimisation and every instruction set.
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "core_support.hpp"

using namespace core_test;
using zoft::direction;

namespace {

constexpr std::size_t many = 10'000'000;
constexpr direction fixed{0x5eed5eed12345678, 11, 3};

// 64-bit FNV-1a over the numbers' bytes, the lowest first. Fowler, Noll and Vo.
std::uint64_t hash(const std::vector<float>& z) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const float v : z) {
    const auto word = std::bit_cast<std::uint32_t>(v);
    for (unsigned shift = 0; shift < 32; shift += 8) h = (h ^ (word >> shift & 0xffu)) * 0x100000001b3;
  }
  return h;
}

// The same elements in pieces whose lengths and offsets are odd, even, short and long.
template <class T, class Sampler>
std::vector<T> in_pieces(const Sampler& sampler, std::size_t n, zoft::arithmetic_t<T> a, std::vector<T> x,
                         std::uint64_t first) {
  const std::size_t lengths[] = {1, 63, 3, 2, 64, 17, 1001, 128, 31, 4099, 5, 2048, 65537};
  for (std::size_t from = 0, k = 0; from < n; ++k) {
    const std::size_t length = std::min(lengths[k % std::size(lengths)], n - from);
    sampler.axpy(std::span<T>(x).subspan(from, length), a, fixed, first + from);
    from += length;
  }
  return x;
}

}  // namespace

TEST_CASE("gaussian: ten million elements have the recorded bits, whole and in ragged pieces", "[noise]") {
  constexpr std::uint64_t recorded = 0x01da4aa6a8303fa0;
  const auto z = noise<float>(zoft::gaussian{}, fixed, many);
  CHECK(hash(z) == recorded);
  CHECK(hash(in_pieces<float>(zoft::gaussian{}, many, 1.0f, std::vector<float>(many, 0.0f), 0)) == recorded);
}

TEST_CASE("rademacher: ten million elements have the recorded bits, whole and in ragged pieces", "[noise]") {
  constexpr std::uint64_t recorded = 0xdc3c58312c2a6ba5;
  const auto z = noise<float>(zoft::rademacher{}, fixed, many);
  CHECK(hash(z) == recorded);
  CHECK(hash(in_pieces<float>(zoft::rademacher{}, many, 1.0f, std::vector<float>(many, 0.0f), 0)) == recorded);
}

TEST_CASE("rademacher: the sign of element i is bit i mod 32 of word i / 32", "[noise]") {
  const auto z = noise<float>(zoft::rademacher{}, fixed, 5000, 1000);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const std::uint64_t at = 1000 + i;
    const bool up = (zoft::random::word(fixed, zoft::random::stream::perturbation, at / 32) >> at % 32 & 1) != 0;
    REQUIRE(z[i] == (up ? 1.0f : -1.0f));
  }
}

TEMPLATE_TEST_CASE("axpy: every storage is moved by the one float z", "[noise]", float, double, zoft::bfloat16,
                   zoft::half) {
  using T = TestType;
  using A = zoft::arithmetic_t<T>;
  constexpr std::size_t n = 10'007;
  const std::uint64_t first = GENERATE(0u, 37u);
  const auto check = [&](const auto& sampler) {
    const auto z = noise<float>(sampler, fixed, n, first);
    std::vector<T> start, expected;
    const A a = A(0.037);
    for (std::size_t i = 0; i < n; ++i) {
      start.push_back(T(A(0.02) * static_cast<A>(z[(i * 7 + 1) % n])));
      expected.push_back(moved<T>(start[i], a, static_cast<A>(z[i])));
    }
    auto x = start;
    sampler.axpy(std::span<T>(x), a, fixed, first);
    CHECK(bits(x) == bits(expected));
    CHECK(bits(in_pieces<T>(sampler, n, a, start, first)) == bits(expected));
    CHECK(bits(x) != bits(start));
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
}

TEST_CASE("axpy: a piece far into a direction has the bits of the whole", "[noise]") {
  // Element 2³⁶ is where the gaussian's block counter crosses 2³².
  const std::uint64_t far = (std::uint64_t{1} << 36) - 1000;
  const auto check = [&](const auto& sampler) {
    const auto whole = noise<float>(sampler, fixed, 5000, far);
    std::vector<float> single(5000, 0.0f);
    for (std::size_t i = 0; i < single.size(); ++i)
      sampler.axpy(std::span<float>(single).subspan(i, 1), 1.0f, fixed, far + i);
    CHECK(whole == single);
    CHECK(whole != noise<float>(sampler, fixed, 5000, 0));
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
}

TEST_CASE("axpy: nothing is done to an empty span, and a is taken as it is", "[noise]") {
  std::vector<float> none, x(100, 2.0f);
  zoft::gaussian{}.axpy(std::span<float>(none), 1.0f, fixed);
  zoft::gaussian{}.axpy(std::span<float>(x), 0.0f, fixed);
  CHECK(x == std::vector<float>(100, 2.0f));
  zoft::gaussian{}.axpy(std::span<float>(x), 1.0f, fixed);
  const auto once = x;
  zoft::gaussian{}.axpy(std::span<float>(x), -1.0f, fixed);
  CHECK(once != x);
  for (const float v : x) CHECK(v == Approx(2).margin(1e-6));
}
