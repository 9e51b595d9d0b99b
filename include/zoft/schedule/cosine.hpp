#pragma once

#include <cmath>
#include <numbers>

#include "../core/schedule.hpp"

namespace zoft::inline ZOFT_ISA {

/// Half a cosine, which reaches 0 just after the last step: (1 + cos π·progress)/2. Loshchilov and Hutter 2017,
/// arXiv:1608.03983.
inline schedule cosine(std::uint32_t steps, std::uint32_t warmup = 0) {
  return {[](double progress) { return 0.5 * (1 + std::cos(std::numbers::pi * progress)); }, steps, warmup};
}

}  // namespace zoft::inline ZOFT_ISA
