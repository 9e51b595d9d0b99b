#pragma once

#include "../core/schedule.hpp"

namespace zoft::inline ZOFT_ISA {

/// Falls linearly and reaches 0 just after the last step: 1 − progress.
inline schedule linear(std::uint32_t steps, std::uint32_t warmup = 0) {
  return {[](double progress) { return 1 - progress; }, steps, warmup};
}

}  // namespace zoft::inline ZOFT_ISA
