/// The random bits that round updates.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "drawn.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// 16 fair bits for each element, a function of (seed, step, query, element) alone. Element e gets half of word e mod
/// 64 of tile e / 128 of the stream update_rounding: the lower half if e mod 128 < 64, otherwise the upper half.
class rounding_words {
 public:
  explicit rounding_words(direction d) : words_(d, stream::update_rounding) {}

  /// to[i] ← the bits of element first + i
  void draw(std::span<std::uint16_t> to, std::uint64_t first) {
    for_each_tile<2 * tile_words>(to, first, [&](std::uint64_t tile, std::size_t skip, std::span<std::uint16_t> piece) {
      std::uint32_t word[tile_words];
      std::uint16_t bits[2 * tile_words];
      words_.tile(tile, word);
      for (std::size_t i = 0; i < tile_words; ++i) {
        bits[i] = static_cast<std::uint16_t>(word[i]);
        bits[tile_words + i] = static_cast<std::uint16_t>(word[i] >> 16);
      }
      std::copy_n(bits + skip, piece.size(), piece.data());
    });
  }

 private:
  source words_;
};

}  // namespace zoft::inline ZOFT_ISA::random
