/// What an estimator may know when it is asked for a point.
#pragma once

#include <span>

#include "direction.hpp"

namespace zoft::inline ZOFT_ISA {

/// A step in progress: its seed and number, its learning rate, and the losses of its first points, as far as known.
struct step_view {
  direction name = {};                  ///< seed and number
  double rate = 0;                      ///< η of this step
  std::span<const double> losses = {};  ///< of the first points
};

}  // namespace zoft::inline ZOFT_ISA
