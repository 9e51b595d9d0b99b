/// The random words of a direction, in tiles: which word comes from which Philox block. This is a wire format: a
/// journal, or another machine, rebuilds a run from it. It is version 1. Any change to a single bit of any sampler's
/// output raises the version.
///
///     key     = (seed mod 2³², seed / 2³²)
///     counter = (block mod 2³², (block / 2³²) mod 2²⁴ + 2²⁴·stream, step, query)
///     word w of a stream lies in tile t = w / 64, and is word (w mod 64) / 16 of block 16·t + w mod 16
///
/// A tile has sixteen blocks because the widest register has sixteen lanes: each of the four words is then one vector.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../core/direction.hpp"
#include "../simd/lanes.hpp"
#include "philox.hpp"

namespace zoft::inline ZOFT_ISA::random {

using simd::multiply_low_halves, simd::splat, simd::u32, simd::u64;

inline constexpr int stream_version = 1;        ///< of what is said here: other bits, another number
inline constexpr std::size_t tile_words = 64;   ///< words of a tile
inline constexpr std::size_t tile_blocks = 16;  ///< Philox blocks of a tile

/// Each purpose that a direction needs random words for has a stream of its own.
enum class stream : std::uint32_t {
  perturbation = 0,     ///< z itself; for matrices of low rank, the core between the factors
  initialisation = 1,   ///< the weights that an adapter starts from
  data = 2,             ///< the order of the examples
  mask = 3,             ///< which elements of z are not 0
  left_factor = 4,      ///< U of z = UVᵀ
  right_factor = 5,     ///< V of z = UVᵀ
  radius = 6,           ///< how far to go along z, if that is random too
  block = 7,            ///< which tensors a step moves
  rounding = 8,         ///< how a perturbation is rounded, if that is random
  update_rounding = 9,  ///< how an update is rounded, if that is random
  sampling = 10,        ///< which token comes next, where a text is generated at random
  tokens = 11,          ///< which tokens of a sequence take part
  rows = 12,            ///< which rows of a linear's input a direction is made of
};

/// The two words of a key: a run's seed, low word first.
using philox_key = std::array<std::uint32_t, 2>;
/// The key of a direction.
constexpr philox_key key_of(direction d) {
  return {static_cast<std::uint32_t>(d.seed), static_cast<std::uint32_t>(d.seed >> 32)};
}

/// The counter of block `block` of a direction's stream: (block mod 2³², block / 2³² + stream·2²⁴, step, query).
constexpr std::array<std::uint32_t, 4> counter_of(direction d, stream s, std::uint64_t block) {
  const std::uint32_t high = static_cast<std::uint32_t>(block >> 32 & 0xffffffu) | static_cast<std::uint32_t>(s) << 24;
  return {static_cast<std::uint32_t>(block), high, d.step, d.query};
}

/// Word `index` of a stream, computed alone. The reference for `source`.
constexpr std::uint32_t word(direction d, stream s, std::uint64_t index) {
  const std::uint64_t block = index / tile_words * tile_blocks + index % tile_blocks;
  return philox4x32(counter_of(d, s, block), key_of(d))[index % tile_words / tile_blocks];
}

/// The four words of `simd::lanes` consecutive blocks, one vector for each.
struct block_words {
  /// w[j] has word j of each block.
  u32 w[4];
};

/// A stream of a direction. What all its blocks share is computed once.
class source {
 public:
  /// Stream s of d.
  source(direction d, stream s) : start_(counter_of(d, s, 0)) {
    philox_key key = key_of(d);
    for (std::size_t round = 0; round < philox::rounds; ++round) {
      keys_[2 * round] = key[0];
      keys_[2 * round + 1] = key[1];
      key = {key[0] + philox::key_increment[0], key[1] + philox::key_increment[1]};
    }
    share(0);
  }

  /// The blocks first, first + 1, …, on their way through the rounds; first is a multiple of `simd::lanes`. Each round
  /// is a step, so that independent work can be interleaved with it.
  class blocks {
   public:
    /// Before the first round.
    [[gnu::always_inline]] blocks(source& from, std::uint64_t first) : from_(from) {
      if (first >> 32 != from.upper_) from.share(first >> 32);
      u64 twice{};
#pragma GCC unroll 8
      for (std::size_t i = 0; i < simd::lanes / 2; ++i) twice[i] = 2 * i;
      c_[0][0] = splat(first & 0xffffffffu) + twice;
      c_[1][0] = c_[0][0] + 1;
    }

    /// Round i of 0 … 9.
    [[gnu::always_inline]] void step(std::size_t i) {
      const u64 m0 = splat(std::uint64_t{philox::multiplier[0]}), m1 = splat(std::uint64_t{philox::multiplier[1]});
      const u64 k0 = splat(from_.keys_[2 * i]), k1 = splat(from_.keys_[2 * i + 1]);
#pragma GCC unroll 2
      for (u64(&c)[4] : c_) {
        if (i == 0) {
          c[3] = multiply_low_halves(c[0], m0);
          c[2] = c[3] >> 32 ^ splat(from_.shared_[0]);
        } else if (i == 1) {
          c[1] = multiply_low_halves(c[2], m1);
          c[0] = c[1] >> 32 ^ splat(from_.shared_[1]);
          c[2] = c[3] ^ splat(from_.shared_[2]);
          c[3] = splat(from_.shared_[3]);
        } else {
          const u64 p0 = multiply_low_halves(c[0], m0), p1 = multiply_low_halves(c[2], m1);
          // The last round leaves the upper halves to words(), which takes them as it joins even and odd blocks.
          c[0] = i == last ? c[1] : p1 >> 32 ^ c[1] ^ k0;
          c[2] = i == last ? c[3] : p0 >> 32 ^ c[3] ^ k1;
          c[1] = p1;
          c[3] = p0;
        }
      }
    }

    /// The words, after the last round.
    [[gnu::always_inline]] block_words words() const {
      using simd::interleave_high, simd::interleave_low;
      const auto& [even, odd] = c_;
      const u32 k0 = splat(static_cast<std::uint32_t>(from_.keys_[2 * last]));
      const u32 k1 = splat(static_cast<std::uint32_t>(from_.keys_[2 * last + 1]));
      return {{interleave_high(even[1], odd[1]) ^ interleave_low(even[0], odd[0]) ^ k0, interleave_low(even[1], odd[1]),
               interleave_high(even[3], odd[3]) ^ interleave_low(even[2], odd[2]) ^ k1,
               interleave_low(even[3], odd[3])}};
    }

   private:
    static constexpr std::size_t last = philox::rounds - 1;
    const source& from_;
    u64 c_[2][4];  // words of even and of odd blocks, each in the lower half of a 64-bit lane, where the products
                   // need it; the products ignore the upper halves
  };

  /// The words of blocks first, first + 1, …
  [[gnu::always_inline]] block_words words(std::uint64_t first) {
    blocks b(*this, first);
#pragma GCC unroll 10
    for (std::size_t i = 0; i < philox::rounds; ++i) b.step(i);
    return b.words();
  }

  /// The 64 words of tile `index`.
  void tile(std::uint64_t index, std::uint32_t* to) {
    for (std::size_t lane = 0; lane < tile_blocks; lane += simd::lanes) {
      const block_words b = words(index * tile_blocks + lane);
      for (std::size_t j = 0; j < 4; ++j) simd::store(to + j * tile_blocks + lane, b.w[j]);
    }
  }

 private:
  /// Computes what the blocks of one upper word share. Their counters differ only in the first word, so half of each of
  /// the first two rounds is the same for all of them.
  void share(std::uint64_t upper) {
    upper_ = upper;
    std::array<std::uint32_t, 4> c = start_;
    c[1] |= static_cast<std::uint32_t>(upper & 0xffffffu);
    const auto [m0, m1] = philox::multiplier;
    const auto k = [this](std::size_t i) { return static_cast<std::uint32_t>(keys_[i]); };
    const std::uint64_t p1 = std::uint64_t{m1} * c[2];
    const std::uint64_t p0 = std::uint64_t{m0} * (static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k(0));
    shared_ = {c[3] ^ k(1), static_cast<std::uint32_t>(p1) ^ k(2), static_cast<std::uint32_t>(p0 >> 32) ^ k(3),
               static_cast<std::uint32_t>(p0)};
  }

  std::array<std::uint32_t, 4> start_;                  // the counter of block 0
  std::array<std::uint64_t, 2 * philox::rounds> keys_;  // the two key words of each round
  std::uint64_t upper_ = 0;                             // the blocks' upper word that shared_ is for
  std::array<std::uint64_t, 4> shared_;
};

}  // namespace zoft::inline ZOFT_ISA::random
