/// Numbers in reports.
#pragma once

#include <charconv>
#include <string>

#include "../core/config.hpp"

namespace zoft::inline ZOFT_ISA::tuning {

/// With three digits.
inline std::string brief(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 3);
  return std::string(buffer, end.ptr);
}

/// With seven.
inline std::string precise(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 7);
  return std::string(buffer, end.ptr);
}

}  // namespace zoft::inline ZOFT_ISA::tuning
