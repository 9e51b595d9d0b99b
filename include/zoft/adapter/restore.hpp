#pragma once

#include "../config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How a buffer that was moved to θ + a·z comes back to θ.
enum class restore {
  exact,     ///< bit for bit, by what the subtraction misses, which is kept: some 1.5 bits a parameter (see misses)
  drifting,  ///< by subtracting what was added, as MeZO's program does: nothing is kept, and each step's roundings
             ///< stay. A thousand idle steps change 3 in 10 of fp32 weights; in bf16 a hundred move them by several per
             ///< cent
};

/// What an adapter says of it; exact where it says nothing.
template <class Adapter>
zoft::restore restore_of(const Adapter& adapter) {
  if constexpr (requires { adapter.restore; })
    return adapter.restore;
  else
    return zoft::restore::exact;
}

}  // namespace zoft::inline ZOFT_ISA
