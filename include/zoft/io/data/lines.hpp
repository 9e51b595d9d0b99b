/// Reads text files line by line: UTF-8 with or without a byte order mark, line ends of any system.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/file_kind.hpp"
#include "../file/memory_map.hpp"
#include "../file/utf8.hpp"

namespace zoft::inline ZOFT_ISA::io {

enum class encoding : unsigned char {
  utf8,         ///< other bytes are refused
  windows_1252  ///< each byte is a character: for old data sets
};

struct line {
  std::size_t number;  ///< from 1
  std::string text;    ///< without the line end

  std::string where(const std::string& path) const { return path + ": line " + zoft::text(number); }
};

namespace detail {

inline std::string_view characters_of(const memory_map& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

/// The text of a file without its byte order mark. Throws if the file is of another kind, and says which.
inline std::string_view text_of_file(const memory_map& file, const std::string& path) {
  std::string_view all = characters_of(file);
  const std::string_view kind = file_kind(file.bytes());
  if (!kind.empty() && kind != file_kinds::json)
    fail(path + ": is " + std::string(kind) + ", and must be text in UTF-8");
  if (all.starts_with("PAR1")) fail(path + ": is a parquet file, and must be JSON lines, TSV or text");
  if (all.starts_with("\xef\xbb\xbf")) all.remove_prefix(3);
  return all;
}

/// Bytes from 0x80 to 0x9f are those of this table, with 0 for none; the others are their own code points.
inline std::string from_windows_1252(std::string_view bytes) {
  static constexpr std::array<std::uint16_t, 32> table{0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                                       0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017d, 0,
                                                       0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                                       0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};
  std::string result;
  for (const char c : bytes) {
    const unsigned byte = static_cast<unsigned char>(c);
    const unsigned code = byte >= 0x80 && byte < 0xa0 && table[byte - 0x80] != 0 ? table[byte - 0x80] : byte;
    const auto put = [&](unsigned part) { result += static_cast<char>(static_cast<unsigned char>(part)); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xc0 | (code >> 6));
      put(0x80 | (code & 0x3f));
    } else {
      put(0xe0 | (code >> 12));
      put(0x80 | ((code >> 6) & 0x3f));
      put(0x80 | (code & 0x3f));
    }
  }
  return result;
}

}  // namespace detail

/// The lines that are not blank. Throws, naming file and line, if one is not of that encoding.
inline std::vector<line> read_lines(const std::string& path, encoding code = encoding::utf8) {
  const memory_map file(path);
  std::string_view rest = detail::text_of_file(file, path);
  std::vector<line> result;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find_first_of("\r\n");
    const std::string_view one = rest.substr(0, end);
    const std::size_t past =
        end == std::string_view::npos ? rest.size() : end + (rest.substr(end, 2) == "\r\n" ? 2 : 1);
    rest.remove_prefix(past);
    if (code == encoding::utf8 && !is_utf8(one)) fail(path + ": line " + text(number) + " is not UTF-8");
    if (one.find_first_not_of(" \t\v\f") == std::string_view::npos) continue;
    result.push_back({number, code == encoding::utf8 ? std::string(one) : detail::from_windows_1252(one)});
  }
  return result;
}

/// Cells of a line, with tabs in between. Quotation marks and backslashes mean nothing.
inline std::vector<std::string> cells_of(std::string_view text_of_line) {
  std::vector<std::string> cells;
  while (true) {
    const std::size_t tab = text_of_line.find('\t');
    cells.emplace_back(text_of_line.substr(0, tab));
    if (tab == std::string_view::npos) return cells;
    text_of_line.remove_prefix(tab + 1);
  }
}

}  // namespace zoft::inline ZOFT_ISA::io
