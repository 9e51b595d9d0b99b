/// Text as Python has it, in UTF-8: white space, case, and how numbers and strings are written.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/utf8.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

/// The code point that begins at text[at], and its bytes. A byte that begins none counts as one by itself.
struct character {
  char32_t code;
  std::size_t length;
};

constexpr character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  switch (const std::size_t length = code_point_length(text, at)) {
    case 2:
      return {((byte(0) & 0x1fu) << 6) | (byte(1) & 0x3fu), length};
    case 3:
      return {((byte(0) & 0xfu) << 12) | ((byte(1) & 0x3fu) << 6) | (byte(2) & 0x3fu), length};
    case 4:
      return {((byte(0) & 7u) << 18) | ((byte(1) & 0x3fu) << 12) | ((byte(2) & 0x3fu) << 6) | (byte(3) & 0x3fu),
              length};
    default:
      return {byte(0), 1};
  }
}

/// Needs a code point that is no surrogate.
inline void append_utf8(std::string& out, char32_t code) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      put(0xe0 | (code >> 12));
    } else {
      put(0xf0 | (code >> 18));
      put(0x80 | ((code >> 12) & 0x3f));
    }
    put(0x80 | ((code >> 6) & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

inline std::size_t length_of(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += character_at(text, at).length) ++count;
  return count;
}

/// str.isspace of one code point, which is also \s of Python's re.
constexpr bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/// Where the white space that begins at `at` ends.
constexpr std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const character c = character_at(text, at);
    if (!is_space(c.code)) break;
    at += c.length;
  }
  return at;
}

/// Where the last code point before `end` begins. Needs `end` > 0.
constexpr std::size_t before(std::string_view text, std::size_t end) {
  for (std::size_t length = 4; length > 1; --length)
    if (end >= length && code_point_length(text.substr(0, end), end - length) == length) return end - length;
  return end - 1;
}

constexpr std::string_view strip_left(std::string_view text) { return text.substr(skip_space(text, 0)); }

constexpr std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const std::size_t last = before(text, text.size());
    if (!is_space(character_at(text, last).code)) break;
    text = text.substr(0, last);
  }
  return text;
}

constexpr std::string_view strip(std::string_view text) { return strip_left(strip_right(text)); }

/// The text without those of its first or last code points that are among `set`: str.strip(set).
inline std::string_view strip_set(std::string_view text, std::string_view set, bool left, bool right) {
  const auto among = [&](std::size_t at) {
    const character c = character_at(text, at);
    for (std::size_t i = 0; i < set.size(); i += character_at(set, i).length)
      if (text.substr(at, c.length) == set.substr(i, character_at(set, i).length)) return true;
    return false;
  };
  while (left && !text.empty() && among(0)) text = text.substr(character_at(text, 0).length);
  while (right && !text.empty() && among(before(text, text.size()))) text = text.substr(0, before(text, text.size()));
  return text;
}

/// Whether upper and lower case may differ for this code point. The ranges cover every code point that Unicode 15
/// gives a case, and some more.
constexpr bool may_have_case(char32_t c) {
  constexpr std::array<std::pair<char32_t, char32_t>, 28> ranges{{
      {0x41, 0x5a},       {0x61, 0x7a},       {0xaa, 0x2af},      {0x2b0, 0x2ff},     {0x345, 0x345},
      {0x370, 0x588},     {0x10a0, 0x10ff},   {0x13a0, 0x13ff},   {0x1c80, 0x1cbf},   {0x1d00, 0x1fff},
      {0x2071, 0x209c},   {0x2102, 0x2188},   {0x24b6, 0x24e9},   {0x2c00, 0x2dff},   {0xa640, 0xa69f},
      {0xa722, 0xa7ff},   {0xab30, 0xabbf},   {0xfb00, 0xfb17},   {0xff21, 0xff5a},   {0x10400, 0x104ff},
      {0x10570, 0x105ff}, {0x10780, 0x107bf}, {0x10c80, 0x10cff}, {0x118a0, 0x118df}, {0x16e40, 0x16e7f},
      {0x1d400, 0x1dfff}, {0x1e030, 0x1e943}, {0x1f130, 0x1f189},
  }};
  for (const auto& [first, last] : ranges)
    if (c >= first && c <= last) return true;
  return false;
}

/// Whether the case of the whole text is known: outside of ASCII, only text that has no case is.
inline bool case_is_known(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const character c = character_at(text, at);
    if (c.code >= 0x80 && may_have_case(c.code)) return false;
    at += c.length;
  }
  return true;
}

constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr char to_lower(char c) { return is_upper(c) ? static_cast<char>(c + 32) : c; }
constexpr char to_upper(char c) { return is_lower(c) ? static_cast<char>(c - 32) : c; }

/// repr(float): the shortest digits that read back, with an exponent below 1e-4 and from 1e16.
inline std::string number_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  std::string_view written(buffer, static_cast<std::size_t>(end - buffer));
  std::string result;
  if (written.front() == '-') {
    result = "-";
    written.remove_prefix(1);
  }
  const std::size_t mark = written.find('e');
  std::string digits;
  for (const char c : written.substr(0, mark))
    if (c != '.') digits += c;
  std::string_view power = written.substr(mark + 1);
  if (power.front() == '+') power.remove_prefix(1);
  int exponent = 0;
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (exponent < -4 || exponent >= 16) {
    result += digits[0];
    if (digits.size() > 1) result += "." + digits.substr(1);
    const std::string size = std::to_string(std::abs(exponent));
    return result + (exponent < 0 ? "e-" : "e+") + (size.size() < 2 ? "0" : "") + size;
  }
  const auto point = static_cast<std::size_t>(exponent < 0 ? 0 : exponent + 1);
  if (exponent < 0)
    digits.insert(0, static_cast<std::size_t>(-exponent), '0'), digits.insert(1, ".");
  else if (digits.size() <= point)
    digits.append(point - digits.size(), '0').append(".0");
  else
    digits.insert(point, ".");
  return result + digits;
}

inline void append_hex(std::string& out, char32_t code, std::size_t width) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (std::size_t i = width; i-- > 0;) out += digits[(code >> (4 * i)) & 15u];
}

/// repr(str), which is how strings look in a list that is printed. Of the code points that Python does not print, it
/// knows controls, formats, spaces and private ones; unassigned ones are printed.
inline std::string python_quoted(std::string_view text) {
  const bool twice = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = twice ? '"' : '\'';
  std::string result(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const character c = character_at(text, at);
    const std::string_view bytes = text.substr(at, c.length);
    at += c.length;
    const char32_t code = c.code;
    const bool hidden = code < 0x20 || (code >= 0x7f && code <= 0xa0) || code == 0xad || code == 0x61c ||
                        code == 0x1680 || code == 0x180e || (code >= 0x2000 && code <= 0x200f) ||
                        (code >= 0x2028 && code <= 0x202f) || (code >= 0x205f && code <= 0x206f) || code == 0x3000 ||
                        (code >= 0xe000 && code <= 0xf8ff) || code == 0xfeff || (code >= 0xfff0 && code <= 0xfffb) ||
                        (code >= 0xe0000 && (code < 0xe0100 || code > 0xe01ef));
    if (code == static_cast<unsigned char>(quote) || code == '\\')
      (result += '\\') += bytes;
    else if (code == '\n')
      result += "\\n";
    else if (code == '\r')
      result += "\\r";
    else if (code == '\t')
      result += "\\t";
    else if (!hidden)
      result += bytes;
    else if (code < 0x100)
      append_hex(result += "\\x", code, 2);
    else if (code < 0x10000)
      append_hex(result += "\\u", code, 4);
    else
      append_hex(result += "\\U", code, 8);
  }
  return result + quote;
}

/// json.dumps(str).
inline std::string json_quoted(std::string_view text, bool ascii) {
  std::string result = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const character c = character_at(text, at);
    const std::string_view bytes = text.substr(at, c.length);
    at += c.length;
    constexpr std::string_view names = "\"\"\\\\\bb\ff\nn\rr\tt";  // pairs: the character, and what stands for it
    std::size_t name = 0;
    while (name < names.size() && static_cast<unsigned char>(names[name]) != c.code) name += 2;
    if (name < names.size())
      (result += '\\') += names[name + 1];
    else if (c.code >= 0x10000 && ascii) {
      append_hex(result += "\\u", 0xd7c0 + (c.code >> 10), 4);
      append_hex(result += "\\u", 0xdc00 + (c.code & 0x3ff), 4);
    } else if (c.code < 0x20 || (ascii && c.code >= 0x7f))
      append_hex(result += "\\u", c.code, 4);
    else
      result += bytes;
  }
  return result + '"';
}

/// The text with &, <, >, ' and " written as HTML has them.
inline std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '\'':
        result += "&#39;";
        break;
      case '"':
        result += "&#34;";
        break;
      default:
        result += c;
    }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
