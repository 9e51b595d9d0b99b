/// Makes text from a file fit for an error message of one line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The text, with every byte that is not printable ASCII as \xNN, cut off after `most` characters.
inline std::string printable(std::string_view text, std::size_t most = 80) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (const char c : text) {
    if (result.size() >= most) return result + "...";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f)
      result += c;
    else
      result += {'\\', 'x', digits[byte >> 4], digits[byte & 15u]};
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
