/// Philox4x32-10, a random number generator that is a function of a counter and a key: no state, any block at any time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "../core/config.hpp"

namespace zoft::inline ZOFT_ISA {

namespace philox {
inline constexpr std::size_t rounds = 10;
inline constexpr std::array<std::uint32_t, 2> multiplier{0xD2511F53u, 0xCD9E8D57u};
inline constexpr std::array<std::uint32_t, 2> key_increment{0x9E3779B9u, 0xBB67AE85u};  // golden ratio, √3 − 1
}  // namespace philox

/// 128 random bits of block `counter` under `key`. Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as
/// easy as 1, 2, 3" (SC'11). Ten rounds of
///
///     (c₀, c₁, c₂, c₃) ← (hi(M₁c₂) ⊕ c₁ ⊕ k₀, lo(M₁c₂), hi(M₀c₀) ⊕ c₃ ⊕ k₁, lo(M₀c₀))
constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  for (std::size_t round = 0; round < philox::rounds; ++round) {
    const std::uint64_t p0 = std::uint64_t{philox::multiplier[0]} * counter[0];
    const std::uint64_t p1 = std::uint64_t{philox::multiplier[1]} * counter[2];
    counter = {static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
               static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key = {key[0] + philox::key_increment[0], key[1] + philox::key_increment[1]};
  }
  return counter;
}

}  // namespace zoft::inline ZOFT_ISA
