/// The random words of a direction, in tiles: which word comes from which Philox block. This is a wire format: a
/// journal, or another machine, remakes a run from it. It is version 1; what changes a single bit of any sampler's
/// output raises the version.
///
///     key     = (seed mod 2³², seed / 2³²)
///     counter = (block mod 2³², (block / 2³²) mod 2²⁴ + 2²⁴·stream, step, query)
///     word w of a stream lies in tile t = w / 64, and is word (w mod 64) / 16 of block 16·t + w mod 16
///
/// Sixteen blocks make a tile because that is the widest register: each of their four words is then one vector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../simd/lanes.hpp"
#include "direction.hpp"
#include "philox.hpp"

namespace zoft::inline ZOFT_ISA::random {

inline constexpr int stream_version = 1;
inline constexpr std::size_t tile_words = 64;
inline constexpr std::size_t tile_blocks = 16;

/// Separate words for the separate things that one direction needs.
enum class stream : std::uint32_t {
  perturbation = 0,    ///< z itself
  initialisation = 1,  ///< weights that an adapter starts from
  data = 2,            ///< which examples come when
};

using philox_key = std::array<std::uint32_t, 2>;
constexpr philox_key key_of(direction d) {
  return {static_cast<std::uint32_t>(d.seed), static_cast<std::uint32_t>(d.seed >> 32)};
}

constexpr std::array<std::uint32_t, 4> counter_of(direction d, stream s, std::uint64_t block) {
  const std::uint32_t high = static_cast<std::uint32_t>(block >> 32 & 0xffffffu) | static_cast<std::uint32_t>(s) << 24;
  return {static_cast<std::uint32_t>(block), high, d.step, d.query};
}

/// Word `index` of a stream, by itself. The reference for `tile`.
constexpr std::uint32_t word(direction d, stream s, std::uint64_t index) {
  const std::uint64_t block = index / tile_words * tile_blocks + index % tile_blocks;
  return philox4x32(counter_of(d, s, block), key_of(d))[index % tile_words / tile_blocks];
}

/// Four vectors: the four words of `simd::lanes` consecutive blocks.
struct block_words {
  simd::u32 w[4];
};

/// A stream of a direction, with what all its blocks share made once.
class source {
 public:
  source(direction d, stream s) : high_(counter_of(d, s, 0)) {
    philox_key key = key_of(d);
    for (std::size_t round = 0; round < philox::rounds; ++round) {
      keys_[2 * round] = key[0];
      keys_[2 * round + 1] = key[1];
      key = {key[0] + philox::key_increment[0], key[1] + philox::key_increment[1]};
    }
  }

  /// The blocks first, first + 1, …; first is a multiple of `simd::lanes`. Even and odd blocks are kept apart, each in
  /// the lower half of a 64-bit lane: the products need them so, and whatever is in the upper halves is never looked
  /// at.
  [[gnu::always_inline]] block_words blocks(std::uint64_t first) const {
    using simd::u64, simd::splat;
    u64 pair{};
    for (std::size_t i = 0; i < simd::lanes / 2; ++i) pair[i] = 2 * i;
    const u64 m0 = splat(std::uint64_t{philox::multiplier[0]}), m1 = splat(std::uint64_t{philox::multiplier[1]});
    // The lower counter word does not overflow within a vector, since `first` is a multiple of its length.
    const std::uint64_t upper = high_[1] | (first >> 32 & 0xffffffu);
    u64 even[4] = {(first & 0xffffffffu) + pair, splat(upper), splat(std::uint64_t{high_[2]}),
                   splat(std::uint64_t{high_[3]})};
    u64 odd[4] = {even[0] + 1, even[1], even[2], even[3]};
    const auto round = [&](u64* c, u64 k0, u64 k1) {
      const u64 p0 = simd::multiply_low_halves(c[0], m0), p1 = simd::multiply_low_halves(c[2], m1);
      c[0] = p1 >> 32 ^ c[1] ^ k0;
      c[2] = p0 >> 32 ^ c[3] ^ k1;
      c[1] = p1;
      c[3] = p0;
    };
#pragma GCC unroll 10
    for (std::size_t i = 0; i < philox::rounds; ++i) {
      const u64 k0 = splat(keys_[2 * i]), k1 = splat(keys_[2 * i + 1]);
      round(even, k0, k1);
      round(odd, k0, k1);
    }
    block_words result;
    for (int j = 0; j < 4; ++j) result.w[j] = (simd::u32)((even[j] & 0xffffffffu) | odd[j] << 32);
    return result;
  }

 private:
  std::array<std::uint32_t, 4> high_;                   // the counter of block 0
  std::array<std::uint64_t, 2 * philox::rounds> keys_;  // the two key words of each round
};

/// The 64 words of tile `index`.
inline void tile(direction d, stream s, std::uint64_t index, std::uint32_t* words) {
  const source from(d, s);
  for (std::size_t lane = 0; lane < tile_blocks; lane += simd::lanes) {
    const block_words b = from.blocks(index * tile_blocks + lane);
    for (std::size_t j = 0; j < 4; ++j) simd::store(words + j * tile_blocks + lane, b.w[j]);
  }
}

}  // namespace zoft::inline ZOFT_ISA::random
