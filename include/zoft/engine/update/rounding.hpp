#pragma once

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How updates of parameters stored in 16 bits (bfloat16, half) are rounded. Most updates are far smaller than the
/// distance between two neighbouring numbers of such a type. float and double are always rounded to nearest.
enum class rounding {
  stochastic,  ///< up or down at random, to one of the two neighbours: the mean is what the optimizer asked for. At
               ///< spacing s a change Δ has variance |Δ|(s − |Δ|), the least possible without bias or memory
  nearest,     ///< to the nearer neighbour: changes of less than half a spacing are lost
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
