#pragma once

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How the update of parameters that are stored in 16 bits (bfloat16, half) is rounded. An update is as a rule far
/// smaller than the distance between two neighbouring numbers of that type. float and double are always rounded to
/// nearest.
enum class rounding {
  stochastic,  ///< up or down to one of the two neighbours, so that the mean is what the optimizer asked for. A change
               ///< Δ at spacing s has a variance of |Δ|(s − |Δ|), the least that is possible without a bias or memory
  nearest,  ///< to the nearer neighbour: changes of less than half a spacing are lost
};

/// The adapter's choice, or stochastic if it has none.
template <class Adapter>
zoft::rounding rounding_of(const Adapter& adapter) {
  if constexpr (requires { adapter.rounding; })
    return adapter.rounding;
  else
    return zoft::rounding::stochastic;
}

}  // namespace zoft::inline ZOFT_ISA
