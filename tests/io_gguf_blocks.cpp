// Quantised blocks, widened: against answers of gguf's Python package, and against formulas by element.
#include <bit>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>
#include <zoft/io/file/tensor.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

struct known_block {
  storage type;
  std::string hex;                  // one block of random bytes; d = −0.0371, m = 3e−6 (a subnormal half)
  std::vector<std::uint32_t> some;  // the bits of every 5th value of 32, or every 37th of 256
  std::uint64_t all;                // FNV-1a of all values' bytes
};

// Made with gguf.quants.dequantize of gguf 0.19; llama.cpp's dequantize_row_* gives the same bits.
const known_block known_blocks[] = {
    {storage::q8_0,
     "c0a8e089427621916e6ee5d2913f456e69f050c4e33815185f746b87cdbd1b59aef2",
     {0x3f980000, 0x4083d000, 0x4083d000, 0x3f180000, 0xbf478000, 0x408fb000, 0x4042c000},
     0x4b1a8a715f4fa481u},
    {storage::q4_0,
     "c0a81b9fd3a1ea76aa2e8b058aeb7d4c53e8",
     {0xbde40000, 0x3d980000, 0xbd980000, 0x80000000, 0xbe640000, 0x3e980000, 0x3de40000},
     0x3ade69f41ef2ebe6u},
    {storage::q4_1,
     "c0a8320077fda2da805eb7e26585570b25894622",
     {0xbe84ff9c, 0xbf04ffce, 0xbe84ff9c, 0xbd97fe70, 0xbe97ff9c, 0xbe97ff9c, 0xbe17ff38},
     0x7f6be7c60ff9f370u},
    {storage::q5_0,
     "c0a86bcdf8a5880b57bc4e2f552511ceac6814b20c4c",
     {0xbe980000, 0xbf0e8000, 0xbee40000, 0xbee40000, 0xbe180000, 0x3e180000, 0x3f180000},
     0xcd8d490b07efbf51u},
    {storage::q5_1,
     "c0a832009a89333709fe0db102afc842d90669f55950de6f",
     {0xbeaaff9c, 0xbf0e7fce, 0xbeaaff9c, 0xbf933fe7, 0xbf17ffce, 0xbf17ffce, 0xbef6ff9c},
     0x4347e0ac0ccc54e0u},
    {storage::q4_k,
     "c0a83200ad6acf53f7b7cda9aca8ce2fefe9e029ce4425e43add18651c8521c1bab12a47f6ed5901e7c4a6f4e79e4ef3c9e0a14c"
     "fa8136e3eebda28f21402f688c174968329f51be15a68323a06442e0726b7e628d88913e8d62f8c43effc1f4c1a5e169c5dc3af8"
     "8f8fe7adb9972b9a2a60f4945cec5fb920f59613bf7ff327ebbbd9baf940ff89d3b189ac52fb3963",
     {0xc1c86456, 0xc0c78158, 0xbf8e8145, 0xc0876100, 0xc102a0b5, 0xc0e40106, 0xc1a5a85e},
     0x8ed9c8c998630302u},
    {storage::q5_k,
     "c0a83200b80a8281305f2026b13c8d463dc678f9d9d56d25fb8a1ede6c7bbb1bf7952fe720c0fc31640842f62b885db89fee049f"
     "6c54d4addca8055f5e88a1778ad1d60e25c423fbb304d7b2bf9c6ae1b102b0a169da3da0244727a663c80219b0abb1019f74900f"
     "114818f2911cced4d1c915634d100a09350dfc11a1c228abf3673cfd60c4562166c45abcac331a001286f08526b3a9b874f2bfc3"
     "9e60cb07e09c76cdb521f6372b1ba9aad6f547d3",
     {0xc280d813, 0xbfed8307, 0xbfda8320, 0xbf21876c, 0xb8098000, 0xc0ab0077, 0xc219a206},
     0xc57bc2881ef794f8u},
    {storage::q6_k,
     "a2bded59a9efc1b9def8ae517c527ad6ae976dab6cd3bb4f770ad2240d5595782e4a89335db87d3d225e623281e9753c93c3d275"
     "e5feadd33ccd439d2b885fc9f16dcb80bdbb887f0c1431c5fb06cadc0705b5f480e578c49496b2169c29bd3c935330299acbb887"
     "b8b7aac14a8fbd3aa0194a5a7891cc20d2cd58a72f2e94ee7b0c611364d2292e67b7052498358149667ce9e0c8c2076249c0086f"
     "b3c457dc8a95961f00f009a3960ccbece6d3385e1b2bdd3aca16e7fff4e7a714e946f47d28d0bc8913828c2a5b365b937763051c"
     "c0a8",
     {0xc1d5c000, 0xc2724000, 0x41783000, 0xc25fd800, 0x80000000, 0xc1422800, 0xc2c66300},
     0x680fb82445b3b3d7u},
};

std::vector<std::byte> from_hex(const std::string& hex) {
  std::vector<std::byte> result;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    result.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return result;
}

std::vector<float> widened(storage type, const std::vector<std::size_t>& shape, std::span<const std::byte> bytes) {
  const tensor_view view{type, shape, bytes};
  std::vector<float> result(view.size());
  widen(view, result);
  return result;
}

const storage block_types[] = {storage::q8_0, storage::q4_0, storage::q4_1, storage::q5_0,
                               storage::q5_1, storage::q4_k, storage::q5_k, storage::q6_k};

/// Element i of a block by itself, with exact arithmetic in double and one rounding. The bytes are b, the halves at
/// bytes 0 and 2 are d and m, except in Q6_K.
float by_element(storage type, const std::vector<std::byte>& bytes, std::size_t i) {
  const auto b = [&](std::size_t at) { return std::to_integer<int>(bytes[at]); };
  const auto half_at = [&](std::size_t at) { return static_cast<double>(block::read_half(bytes.data() + at)); };
  const auto nibble = [&](std::size_t first) { return i < 16 ? b(first + i) & 15 : b(first + i - 16) >> 4; };
  const auto bit = [&](std::size_t first) { return b(first + i / 8) >> (i % 8) & 1; };
  const double d = half_at(0), m = half_at(2);
  const auto k_element = [&](std::size_t nibbles, int fifth) {
    const std::size_t part = i / 32;
    int s = 0, o = 0;
    if (part < 4) {
      s = b(4 + part) & 63;
      o = b(8 + part) & 63;
    } else {
      s = (b(8 + part) & 15) | (b(part) >> 6) << 4;
      o = b(8 + part) >> 4 | (b(4 + part) >> 6) << 4;
    }
    const int byte = b(nibbles + part / 2 * 32 + i % 32);
    const int q = (part % 2 == 0 ? byte & 15 : byte >> 4) + 16 * fifth;
    return static_cast<float>(d * s * q - m * o);
  };
  switch (type) {
    case storage::q8_0:
      return static_cast<float>(static_cast<std::int8_t>(b(2 + i)) * d);
    case storage::q4_0:
      return static_cast<float>((nibble(2) - 8) * d);
    case storage::q4_1:
      return static_cast<float>(nibble(4) * d + m);
    case storage::q5_0:
      return static_cast<float>((nibble(6) + 16 * bit(2) - 16) * d);
    case storage::q5_1:
      return static_cast<float>((nibble(8) + 16 * bit(4)) * d + m);
    case storage::q4_k:
      return k_element(16, 0);
    case storage::q5_k:
      return k_element(48, b(16 + i % 32) >> (i / 32) & 1);
    default: {  // Q6_K
      const std::size_t part = i / 32 % 4, half = i / 128, j = i % 32;
      const int byte = b(64 * half + 32 * (part % 2) + j), low = part < 2 ? byte & 15 : byte >> 4;
      const int q = low + 16 * (b(128 + 32 * half + j) >> (2 * part) & 3);
      return static_cast<float>(half_at(208) * static_cast<std::int8_t>(b(192 + i / 16)) * (q - 32));
    }
  }
}

}  // namespace

TEST_CASE("widen: blocks are the values of gguf's own reader, bit for bit", "[io]") {
  for (const known_block& known : known_blocks) {
    INFO(name_of(known.type));
    const std::vector<std::byte> bytes = from_hex(known.hex);
    REQUIRE(bytes.size() == facts_of(known.type).bytes);
    const std::vector<float> values = widened(known.type, {facts_of(known.type).elements}, bytes);
    const std::size_t stride = values.size() == 32 ? 5 : 37;
    std::vector<std::uint32_t> some;
    for (std::size_t i = 0; i < values.size(); i += stride) some.push_back(std::bit_cast<std::uint32_t>(values[i]));
    CHECK(some == known.some);
    std::uint64_t all = 0xcbf29ce484222325u;
    for (const float value : values)
      for (unsigned shift = 0; shift < 32; shift += 8)
        all = (all ^ (std::bit_cast<std::uint32_t>(value) >> shift & 255u)) * 0x100000001b3u;
    CHECK(all == known.all);
  }
}

TEST_CASE("widen: every element of random blocks, wherever they lie, whole and by rows", "[io]") {
  std::mt19937 generator(43);
  for (const storage type : block_types) {
    INFO(name_of(type));
    const storage_facts& facts = facts_of(type);
    const std::size_t rows = 5, blocks = 2, columns = blocks * facts.elements;
    std::vector<std::byte> buffer(1 + rows * blocks * facts.bytes);
    for (std::byte& byte : buffer) byte = static_cast<std::byte>(generator() & 255u);
    for (std::size_t i = 0; i < rows * blocks; ++i)
      for (const std::size_t at : {type == storage::q6_k ? 208u : 0u, 2u}) {  // no infinities and NaN in the scales
        std::byte& upper = buffer[1 + i * facts.bytes + at + 1];
        upper &= i % 2 == 0 ? std::byte{0x83} : std::byte{0xbf};  // every other one is a subnormal
      }
    const auto bytes = std::span<const std::byte>(buffer).subspan(1);
    const tensor_view view{type, {rows, columns}, bytes};
    CHECK((view.rows() == rows && view.columns() == columns && view.size() == rows * columns));
    const std::vector<float> all = widened(type, {rows, columns}, bytes);
    std::vector<float> expected;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto block = bytes.subspan(i / facts.elements * facts.bytes, facts.bytes);
      expected.push_back(by_element(type, {block.begin(), block.end()}, i % facts.elements));
    }
    CHECK(std::memcmp(all.data(), expected.data(), all.size() * sizeof(float)) == 0);

    std::vector<float> part(2 * columns);
    widen(view, 2, 2, part);
    CHECK(std::memcmp(part.data(), all.data() + 2 * columns, part.size() * sizeof(float)) == 0);
  }
}

TEST_CASE("widen: rows that are not there, and rows that are no whole blocks", "[io]") {
  const std::vector<std::byte> bytes(4 * 34);
  const tensor_view view{storage::q8_0, {4, 32}, bytes};
  std::vector<float> out(64);
  CHECK_NOTHROW(widen(view, 2, 2, out));
  check_refused([&] { widen(view, 3, 2, out); }, {"rows 3 to 5 are wanted, and the tensor has 4"});
  check_refused([&] { widen(view, static_cast<std::size_t>(-1), 2, out); }, {"the tensor has 4"});
  check_refused([&] { widen(view, 0, 1, out); }, {"holds 64 floats", "1 x 32"});
  check_refused([&] { widen(view, 0, static_cast<std::size_t>(-1), out); }, {"holds 64 floats"});
  CHECK_NOTHROW(widen(view, 4, 0, std::span<float>()));
  check_refused(
      [&] {
        widen({storage::q8_0, {8, 16}, bytes}, 0, 4, out);
      },
      {"a row has 16 elements", "the 32 in a block of Q8_0"});
  check_refused(
      [&] {
        widen({storage::i64, {8}, std::span(bytes).first(64)}, 0, 1, std::span(out).first(8));
      },
      {"the tensor is I64, and must be one of F32, F16"});
}

TEST_CASE("storage: names, numbers and sizes agree", "[io]") {
  for (std::size_t i = 0; i < detail::storage_table.size(); ++i) {
    const auto type = static_cast<storage>(i);
    const storage_facts& facts = facts_of(type);
    INFO(facts.name);
    if (facts.ggml >= 0) CHECK(ggml_type(static_cast<std::uint32_t>(facts.ggml)) == type);
    CHECK(safetensors_type(facts.name).has_value() == (i < detail::safetensors_types));
    with_block(type, [&]<class Block>(Block) {
      CHECK(Block::elements == facts.elements);
      CHECK(Block::bytes == facts.bytes);
    });
  }
  CHECK(static_cast<std::size_t>(storage::nvfp4) + 1 == detail::storage_table.size());
  CHECK(name_of(storage::q6_k) == "Q6_K");
  CHECK(name_of(storage::f8_e5m2fnuz) == "F8_E5M2FNUZ");
  CHECK_FALSE(ggml_type(4).has_value());
  CHECK_FALSE(ggml_type(static_cast<std::uint32_t>(-1)).has_value());
}
