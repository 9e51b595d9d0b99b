// Vectors of narrow numbers against the scalar conversions, which number.cpp tests.
#include <array>
#include <zoft/random/stream.hpp>
#include <zoft/simd/storage.hpp>

#include "core_support.hpp"

using namespace core_test;
namespace simd = zoft::simd;

namespace {

// One vector at a time, and two.
template <class T>
std::array<std::vector<std::uint32_t>, 2> widened(const std::vector<T>& from) {
  std::vector<float> one(from.size()), two(from.size());
  for (std::size_t i = 0; i < from.size(); i += simd::lanes)
    simd::store(one.data() + i, simd::load_wide(from.data() + i));
  for (std::size_t i = 0; i < from.size(); i += 2 * simd::lanes) {
    simd::f32 pair[2];
    simd::load_wide(from.data() + i, pair);
    simd::store(two.data() + i, pair[0]);
    simd::store(two.data() + i + simd::lanes, pair[1]);
  }
  return {bits(one), bits(two)};
}

template <class T>
std::array<std::vector<std::uint16_t>, 2> narrowed(const std::vector<float>& from) {
  std::vector<T> one(from.size()), two(from.size());
  for (std::size_t i = 0; i < from.size(); i += simd::lanes)
    simd::store_narrow(one.data() + i, simd::load<simd::f32>(from.data() + i));
  for (std::size_t i = 0; i < from.size(); i += 2 * simd::lanes) {
    const simd::f32 pair[2] = {simd::load<simd::f32>(from.data() + i),
                               simd::load<simd::f32>(from.data() + i + simd::lanes)};
    simd::store_narrow(two.data() + i, pair);
  }
  return {bits(one), bits(two)};
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
  while (result.size() % (2 * simd::lanes) != 0) result.push_back(0);
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
  for (; from.size() % (2 * simd::lanes) != 0; expected.push_back(0)) from.emplace_back();
  for (const auto& got : widened(from)) CHECK(got == bits(expected));
}

TEMPLATE_TEST_CASE("storage: floats are narrowed as they are alone", "[simd]", zoft::bfloat16, zoft::half) {
  std::vector<float> from;
  for (const float v : floats())
    // The NaNs that arithmetic with numbers of two bytes makes are quiet, and have no tail.
    if (v == v || (std::bit_cast<std::uint32_t>(v) & 0x40ffffu) == 0x400000u) from.push_back(v);
  while (from.size() % (2 * simd::lanes) != 0) from.push_back(0);
  std::vector<TestType> expected;
  for (const float v : from) expected.push_back(TestType(v));
  const auto wanted = bits(expected);
  for (const auto& got : narrowed<TestType>(from))
    for (std::size_t i = 0; i < from.size(); ++i)
      if (got[i] != wanted[i])
        FAIL("the pattern " << std::hex << std::bit_cast<std::uint32_t>(from[i]) << " became " << got[i] << ", not "
                            << wanted[i]);
}
