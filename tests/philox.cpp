#include <zoft/random/philox.hpp>
#include <zoft/random/stream.hpp>

#include "core_support.hpp"

using zoft::direction;
using zoft::philox4x32;
namespace random_ = zoft::random;

// The known answers published with Random123 for Philox4x32-10: zeros, ones, and the digits of π.
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) ==
              std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
              std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST_CASE("philox4x32: the published known answers, at run time", "[random]") {
  volatile std::uint32_t zero = 0, ones = 0xffffffff;
  CHECK(philox4x32({zero, zero, zero, zero}, {zero, zero}) ==
        std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
        std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
}

TEST_CASE("counter_of: block, stream, step and query have bits of their own", "[random]") {
  constexpr direction d{0x0123456789abcdef, 0x11111111, 0x22222222};
  static_assert(random_::key_of(d) == std::array<std::uint32_t, 2>{0x89abcdef, 0x01234567});
  static_assert(random_::counter_of(d, random_::stream::perturbation, 5) ==
                std::array<std::uint32_t, 4>{5, 0, 0x11111111, 0x22222222});
  static_assert(random_::counter_of(d, random_::stream::data, 0xabcdef'12345678) ==
                std::array<std::uint32_t, 4>{0x12345678, 0x02abcdef, 0x11111111, 0x22222222});
  static_assert(random_::stream_version == 1);
  SUCCEED();
}

TEST_CASE("word: the wire format, spelled out for one word", "[random]") {
  // Word 64·7 + 16·2 + 5 is word 2 of block 16·7 + 5.
  const direction d{42, 3, 1};
  CHECK(random_::word(d, random_::stream::initialisation, 64 * 7 + 16 * 2 + 5) ==
        philox4x32({16 * 7 + 5, 1u << 24, 3, 1}, {42, 0})[2]);
}

TEST_CASE("source: equals word, for all streams and far counters", "[random]") {
  const direction directions[] = {{0, 0, 0},
                                  {42, 7, 3},
                                  {0xffffffffffffffff, 0xffffffff, 0xffffffff},
                                  {0x8000000000000000, 1, 0x80000000},
                                  {0x0123456789abcdef, 123456789, 15}};
  // Block 16·tile crosses 2³² at tile 2²⁸, and the end of its 56 bits at tile 2⁵².
  const std::uint64_t far = std::uint64_t{1} << 28, end = std::uint64_t{1} << 52;
  const std::uint64_t tiles[] = {0, 1, 2, 1000, far - 1, far, far + 1, 3 * far - 1, 3 * far, end - 1, 7};
  for (const direction& d : directions)
    for (const auto s :
         {random_::stream::perturbation, random_::stream::initialisation, random_::stream::data, random_::stream::mask,
          random_::stream::left_factor, random_::stream::right_factor, random_::stream::radius}) {
      // One source for all tiles, in an order that changes the counter's upper word and goes back.
      random_::source words(d, s);
      for (const std::uint64_t t : tiles) {
        std::vector<std::uint32_t> tile(random_::tile_words), expected;
        words.tile(t, tile.data());
        for (std::uint64_t w = 0; w < random_::tile_words; ++w)
          expected.push_back(random_::word(d, s, t * random_::tile_words + w));
        CAPTURE(d.seed, d.step, d.query, static_cast<std::uint32_t>(s), t);
        REQUIRE(tile == expected);
      }
    }
}
