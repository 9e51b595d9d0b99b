#pragma once

#include "../core/schedule.hpp"

namespace zoft::inline ZOFT_ISA {

/// Falls linearly to 0 behind the last step: 1 − progress.
inline schedule linear(std::uint32_t steps, std::uint32_t warmup = 0) {
  return {[](double progress) { return 1 - progress; }, steps, warmup};
}

}  // namespace zoft::inline ZOFT_ISA
