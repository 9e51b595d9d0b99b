#pragma once

#include <algorithm>
#include <cstdint>

#include "../config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How a rate changes over a run: rate(step) = base · warm-up · shape(progress), with progress from 0 at the first step
/// to 1 behind the last. The default is a constant rate.
struct schedule {
  double (*shape)(double progress) = nullptr;  ///< factor at progress in [0, 1]; none is 1 throughout
  std::uint32_t steps = 0;                     ///< length of the run; needed where there is a shape
  std::uint32_t warmup = 0;                    ///< the rate rises linearly over the first so many steps

  void check() const {
    require(shape == nullptr || steps > 0, "schedule: steps is 0, and must be the length of the run");
    require(shape == nullptr || warmup <= steps,
            "schedule: warmup is " + text(warmup) + ", and must be at most steps, which is " + text(steps));
  }

  /// What multiplies the base rate at this step.
  double operator()(std::uint32_t step) const {
    const double rise = step < warmup ? (step + 1.0) / (warmup + 1.0) : 1.0;
    if (shape == nullptr) return rise;
    const double done = step < warmup ? 0.0 : static_cast<double>(step - warmup) / std::max(1u, steps - warmup);
    return rise * shape(std::min(done, 1.0));
  }
};

}  // namespace zoft::inline ZOFT_ISA
