// Vectors of narrow numbers against the scalar conversions, which number.cpp tests.
#include <zoft/random/stream.hpp>
#include <zoft/simd/storage.hpp>

#include "core_support.hpp"

using namespace core_test;
namespace simd = zoft::simd;

namespace {

template <class T>
std::vector<std::uint32_t> widened(const std::vector<T>& from) {
  std::vector<float> to(from.size());
  for (std::size_t i = 0; i < from.size(); i += simd::lanes)
    simd::store(to.data() + i, simd::load_wide(from.data() + i));
  return bits(to);
}

template <class T>
std::vector<std::uint16_t> narrowed(const std::vector<float>& from) {
  std::vector<T> to(from.size());
  for (std::size_t i = 0; i < from.size(); i += simd::lanes)
    simd::store_narrow(to.data() + i, simd::load<simd::f32>(from.data() + i));
  return bits(to);
}

// Every exponent and sign, with the fractions around where a narrower number rounds, ties, and overflows.
std::vector<float> floats() {
  std::vector<float> result;
  for (std::uint32_t top = 0; top < 0x10000; top += 0x10)
    for (const std::uint32_t low : {0x0u, 0x1u, 0xfffu, 0x1000u, 0x1001u, 0x1fffu, 0x2000u, 0x3000u, 0x7fffu, 0x8000u,
                                    0x8001u, 0xffffu, 0x18000u, 0x17fffu, 0xf8000u, 0xfffffu})
      result.push_back(std::bit_cast<float>((top << 16) + low));
  for (std::uint64_t i = 0; i < 100'000; ++i)
    result.push_back(std::bit_cast<float>(zoft::random::word({1, 2, 3}, zoft::random::stream::data, i)));
  while (result.size() % simd::lanes != 0) result.push_back(0);
  return result;
}

}  // namespace

TEMPLATE_TEST_CASE("storage: every pattern widens as it does alone", "[simd]", zoft::bfloat16, zoft::half) {
  std::vector<TestType> from;
  std::vector<float> expected;
  for (std::uint32_t p = 0; p < 0x10000; ++p) {
    const auto number = std::bit_cast<TestType>(static_cast<std::uint16_t>(p));
    const float wide = static_cast<float>(number);
    if (wide != wide) continue;  // whether a NaN comes out quiet differs, and whatever is computed with it is quiet
    from.push_back(number);
    expected.push_back(wide);
  }
  for (; from.size() % simd::lanes != 0; expected.push_back(0)) from.emplace_back();
  CHECK(widened(from) == bits(expected));
}

TEMPLATE_TEST_CASE("storage: floats are narrowed as they are alone", "[simd]", zoft::bfloat16, zoft::half) {
  const auto from = floats();
  std::vector<TestType> expected;
  for (const float v : from) expected.push_back(TestType(v));
  const auto got = narrowed<TestType>(from), wanted = bits(expected);
  for (std::size_t i = 0; i < from.size(); ++i) {
    CAPTURE(std::bit_cast<std::uint32_t>(from[i]));
    REQUIRE(got[i] == wanted[i]);
  }
}
