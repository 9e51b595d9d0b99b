#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "../../random/drawn.hpp"

namespace zoft::inline ZOFT_ISA {

namespace random {
inline constexpr std::size_t mask_tile = 16 * tile_words;  // elements that a mask gives at a time
}

/// m ⊙ z(d) for a mask m of 0 and 1. mask.of(tile, skip, n) returns something whose [i] is element i of that tile of
/// `mask_tile` elements, for i from skip to skip + n − 1.
template <class Z, class Mask>
struct masked {
  Z z;
  Mask mask;

  std::uint64_t elements() const { return std::min(random::elements_of(z), random::elements_of(mask)); }

  /// x[i] += a · m[first + i]·z[first + i]. Where m is 0, and if a is 0, x keeps every bit.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
    random::check_axpy(x.size(), a, first, elements());
    Mask words = mask;
    random::for_each_tile<random::mask_tile>(x, first, [&](std::uint64_t tile, std::size_t skip, std::span<T> piece) {
      const auto kept = words.of(tile, skip, piece.size());
      T moved[random::mask_tile];
      std::copy(piece.begin(), piece.end(), moved);
      z.axpy(std::span<T>(moved, piece.size()), a, tile * random::mask_tile + skip);
      for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = kept[skip + i] ? moved[i] : piece[i];
    });
  }
};

}  // namespace zoft::inline ZOFT_ISA
