#pragma once

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How a buffer that was moved to θ + a·z comes back to θ.
enum class restore {
  exact,     ///< bit for bit, by what the subtraction misses, which is kept: some 1.5 bits a parameter (see misses)
  drifting,  ///< by subtracting what was added, as MeZO's program does: nothing is kept, and the roundings stay. A
             ///< hundred idle steps put weights of deviation 0.02 off by 6e-7 of it in fp32, by 0.5 % in fp16 and by
             ///< 4 % in bf16; nearly all of them have changed then, and what throws leaves them changed, too
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
