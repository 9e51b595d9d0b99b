#pragma once

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How a buffer that was moved to θ + a·z comes back to θ.
enum class restore {
  exact,     ///< bit for bit: what the subtraction misses is stored, about 1.5 bits a parameter (see misses)
  drifting,  ///< by subtracting what was added, as MeZO's program does. Nothing is stored, and rounding errors stay. A
             ///< hundred idle steps move weights of standard deviation σ = 0.02 by 6e-7 σ in fp32, by 0.5 % of σ in
             ///< fp16 and by 4 % in bf16. Nearly all weights change, also in a step that throws
};

/// The adapter's choice, or exact if it has none.
template <class Adapter>
zoft::restore restore_of(const Adapter& adapter) {
  if constexpr (requires { adapter.restore; })
    return adapter.restore;
  else
    return zoft::restore::exact;
}

}  // namespace zoft::inline ZOFT_ISA
