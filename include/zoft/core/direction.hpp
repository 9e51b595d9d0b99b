/// The name of a random direction: everything needed to make it again.
#pragma once

#include <cstdint>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// Query `query` of step `step` in the run named by `seed`.
struct direction {
  std::uint64_t seed = 0;   ///< names the run
  std::uint32_t step = 0;   ///< from 0
  std::uint32_t query = 0;  ///< from 0, in the step
  constexpr bool operator==(const direction&) const = default;
};

/// The number that names a run: same seed, same bits.
struct seed {
  std::uint64_t value = 0;  ///< any number
};

}  // namespace zoft::inline ZOFT_ISA
