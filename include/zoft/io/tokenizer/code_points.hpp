/// Code points in UTF-8 text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../../core/config.hpp"
#include "../file/utf8.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

struct code_point {
  char32_t value;
  std::size_t length;  ///< in bytes
};

/// The code point that begins at text[at]. The text must be UTF-8.
inline code_point code_point_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xe0) return {(lead & 0x1f) << 6 | (byte(1) & 0x3f), 2};
  if (lead < 0xf0) return {(lead & 0xf) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), 3};
  return {(lead & 7) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f), 4};
}

/// Where the code point before text[end] begins. Needs `end` > 0, and UTF-8.
inline std::size_t begin_of_code_point_before(std::string_view text, std::size_t end) {
  do --end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80);
  return end;
}

inline void append_code_point(std::string& out, char32_t c) {
  const auto byte = [&](char32_t value) { out += static_cast<char>(static_cast<unsigned char>(value)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xc0 | c >> 6);
    byte(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    byte(0xe0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  } else {
    byte(0xf0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3f));
    byte(0x80 | (c >> 6 & 0x3f));
    byte(0x80 | (c & 0x3f));
  }
}

constexpr bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }

/// Where the first byte at or after `at` that is not ASCII lies, or the text's size.
inline std::size_t find_non_ascii(std::string_view text, std::size_t at = 0) {
  while (at < text.size() && is_ascii(text[at])) ++at;
  return at;
}

/// UTF-8 from any bytes: each longest start of a code point that is not whole becomes one U+FFFD, and so does each
/// other byte that belongs to none (The Unicode Standard, 3.9, "Substitution of maximal subparts").
inline std::string repaired_utf8(std::string_view bytes) {
  std::string result;
  result.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    if (const std::size_t length = code_point_length(bytes, at)) {
      result += bytes.substr(at, length);
      at += length;
      continue;
    }
    // The number of bytes that some code point begins with.
    std::size_t part = 1;
    const auto lead = static_cast<unsigned char>(bytes[at]);
    const std::size_t whole = lead >= 0xf0 && lead <= 0xf4 ? 4 : lead >= 0xe0 && lead <= 0xef ? 3 : 1;
    for (; part < whole && at + part < bytes.size(); ++part) {
      const auto byte = static_cast<unsigned char>(bytes[at + part]);
      unsigned least = 0x80, most = 0xbf;
      if (part == 1) {
        least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
      }
      if (byte < least || byte > most) break;
    }
    result += "\xef\xbf\xbd";
    at += part;
  }
  return result;
}

/// The byte that a token written like <0x0A> stands for, or −1.
constexpr int byte_of_token(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : 16 * high + low;
}

/// The token of a byte: <0x0A>.
inline std::string token_of_byte(unsigned byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4 & 15u], digits[byte & 15u], '>'};
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
