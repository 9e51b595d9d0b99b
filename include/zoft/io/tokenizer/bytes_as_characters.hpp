/// The alphabet of byte-level vocabularies (GPT-2): each byte as a printable character, so that tokens can be written
/// as text. Visible bytes of Latin-1 stand for themselves, and the 68 others for U+0100 and up, in order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "../../core/config.hpp"
#include "code_points.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

inline constexpr std::array<char32_t, 256> byte_characters = [] {
  std::array<char32_t, 256> result{};
  char32_t next = 0x100;
  for (std::size_t b = 0; b < 256; ++b)
    result[b] = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b != 0xad) ? static_cast<char32_t>(b) : next++;
  return result;
}();

/// The byte that the character stands for, or −1.
inline constexpr auto character_bytes = [] {
  std::array<std::int16_t, 0x144> result{};
  result.fill(-1);
  for (std::size_t b = 0; b < 256; ++b) result[byte_characters[b]] = static_cast<std::int16_t>(b);
  return result;
}();

/// The bytes that the token stands for, or nothing if it has other characters. The token must be UTF-8.
inline std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string result;
  for (std::size_t at = 0; at < token.size();) {
    const auto [c, length] = code_point_at(token, at);
    if (c >= character_bytes.size() || character_bytes[c] < 0) return std::nullopt;
    result += static_cast<char>(character_bytes[c]);
    at += length;
  }
  return result;
}

inline std::string token_of_bytes(std::string_view bytes) {
  std::string result;
  for (const char c : bytes) append_code_point(result, byte_characters[static_cast<unsigned char>(c)]);
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
