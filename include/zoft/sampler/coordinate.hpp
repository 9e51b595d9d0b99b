#pragma once

#include <algorithm>
#include <cmath>

#include "../random/formed.hpp"
#include "rademacher.hpp"

namespace zoft::inline ZOFT_ISA {

/// How the next block of coordinates is chosen.
enum class order {
  random,  ///< every block is equally likely; drawn from the direction's mask stream
  cyclic,  ///< block (step + query) mod m, m being the number of blocks; m queries cover them all
};

/// Directions along one block of coordinates at a time: z is √m on the block and 0 elsewhere. There are
/// m = ⌈size/block⌉ blocks, so in random order E zzᵀ = I. If a block has more than one coordinate, each coordinate gets
/// a random sign of its own.
///
/// With blocks of one, cyclic order and queries = size, two_point becomes central differences along all axes, and
/// one_sided becomes forward differences (Kiefer and Wolfowitz 1952). The differences are taken over ε√m.
struct coordinate {
  std::uint64_t size = 0;                   ///< number of parameters, n ≥ 1
  std::uint64_t block = 1;                  ///< coordinates in a block, 1 to n; the last block may be smaller
  zoft::order order = zoft::order::random;  ///< how blocks are chosen

  /// z(d), which is nonzero only on its block.
  struct on_block {
    random::signs sign;
    bool signed_block;
    std::uint64_t begin, end, size;
    float scale;

    std::uint64_t elements() const { return size; }

    /// x[i] += a · z[first + i]. Off the block, and if a is 0, x keeps every bit.
    template <number T>
    void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
      random::check_axpy(x.size(), a, first, size);
      const std::uint64_t from = std::max(first, begin), to = std::min(first + x.size(), end);
      if (from >= to) return;
      const auto piece = x.subspan(static_cast<std::size_t>(from - first), static_cast<std::size_t>(to - from));
      random::axpy_formed(piece, a, from, size, [&](std::span<float> z, std::uint64_t at) {
        if (signed_block)
          sign.axpy(z, scale, at);
        else
          std::fill(z.begin(), z.end(), scale);
      });
    }
  };

  /// z(d). Throws std::invalid_argument if size or block is out of range.
  on_block at(direction d) const {
    if (size == 0 || size > random::most_at_once)
      fail("coordinate: the size is " + text(size) + ", and must be the number of parameters, 1 to 2^40");
    if (block == 0 || block > size)
      fail("coordinate: the block is " + text(block) + ", and must be 1 to the size, which is " + text(size));
    const std::uint64_t blocks = (size - 1) / block + 1;
    const std::uint64_t chosen =
        order == zoft::order::cyclic ? (std::uint64_t{d.step} + d.query) % blocks : below(blocks, d);
    return {random::signs(d),
            block > 1,
            chosen * block,
            std::min(size, (chosen + 1) * block),
            size,
            static_cast<float>(std::sqrt(static_cast<double>(blocks)))};
  }

  /// x[i] += a · z(d)[first + i]. Off the block, and if a is 0, x keeps every bit. Errors as in random::drawn::axpy,
  /// plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  /// ⌊u·count⌋, where u has 48 bits: the upper 24 of each of two words. count ≤ 2⁴⁰, so nothing overflows.
  static std::uint64_t below(std::uint64_t count, direction d) {
    const std::uint64_t high = random::word(d, random::stream::mask, 0) >> 8;
    const std::uint64_t low = random::word(d, random::stream::mask, 1) >> 8;
    return (high * count + (low * count >> 24)) >> 24;
  }
};

}  // namespace zoft::inline ZOFT_ISA
