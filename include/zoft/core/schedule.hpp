#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// How a rate or a radius changes over a run: base · warm-up · gain · shape(progress), with
/// gain(step) = ((A + 1)/(A + 1 + step))^power. Progress rises from 0 at the end of the warm-up to 1 just after the
/// last step. The default is constant.
struct schedule {
  double (*shape)(double progress) = nullptr;  ///< factor at progress in [0, 1]; null means 1 throughout
  std::uint32_t steps = 0;                     ///< length of the run; required if there is a shape
  std::uint32_t warmup = 0;                    ///< steps at the start over which the rate rises linearly
  double power = 0;                            ///< exponent of the gain, ≥ 0; with 0 the gain is 1
  double stability = 0;  ///< A ≥ 0, in steps: the gain is nearly constant over the first A steps

  /// Throws std::invalid_argument if a field is out of range.
  void check() const {
    require(shape == nullptr || steps > 0, "schedule", "steps", steps, "the length of the run");
    if (shape != nullptr && warmup > steps)
      refuse("schedule", "warmup", text(warmup), "at most steps, which is " + text(steps));
    require(power >= 0 && power < 1e300, "schedule", "power", power, "at least 0");
    require(stability >= 0 && stability < 1e300, "schedule", "stability", stability, "at least 0");
  }

  /// The factor by which the base is multiplied at this step.
  double operator()(std::uint32_t step) const {
    const double rise = step < warmup ? (step + 1.0) / (warmup + 1.0) : 1.0;
    const double gain = power == 0 ? 1.0 : std::pow((stability + 1) / (stability + 1 + step), power);
    if (shape == nullptr) return rise * gain;
    const double done = step < warmup ? 0.0 : static_cast<double>(step - warmup) / std::max(1u, steps - warmup);
    return rise * gain * shape(std::min(done, 1.0));
  }
};

}  // namespace zoft::inline ZOFT_ISA
