#pragma once

#include "../core/schedule.hpp"

namespace zoft::inline ZOFT_ISA {

/// Falls as a power of the step: ((A + 1)/(A + 1 + step))^power, A = stability. For SPSA's gains, use a rate of
/// a/(A + 1)^0.602 with gain(0.602, A), which gives a/(A + 1 + step)^0.602, and a radius of c with gain(0.101). Spall
/// 1998, "Implementation of the simultaneous perturbation algorithm for stochastic optimization".
inline schedule gain(double power, double stability = 0) { return {.power = power, .stability = stability}; }

}  // namespace zoft::inline ZOFT_ISA
