/// The median of some numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// The middle one of at least one number; of an even count, the larger of the middle two.
inline double median(std::vector<double> v) {
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

}  // namespace zoft::inline ZOFT_ISA
