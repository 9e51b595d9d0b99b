/// Lines of a file, with LF or CRLF at their ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/config.hpp"
#include "../file/file_kind.hpp"
#include "../file/memory_map.hpp"
#include "../file/utf8.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// The file's bytes, copied. Throws if they are not UTF-8, and says what they are if that is known.
inline std::string text_of_file(const std::string& path) {
  const memory_map file(path);
  const auto bytes = file.bytes();
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (const std::string_view kind = file_kind(bytes); !kind.empty() && kind != file_kinds::json)
    fail(path + ": is " + std::string(kind) + ", and must be text");
  if (!is_utf8(all)) fail(path + ": is not UTF-8");
  return std::string(all);
}

inline std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    result.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
