/// Reads what models are trained on: JSON lines and lists, tables with tabs, plain text, and the classification tasks
/// of the MeZO paper by name.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "../core/config.hpp"
#include "data/example.hpp"
#include "data/json_examples.hpp"
#include "data/lines.hpp"
#include "data/table.hpp"
#include "data/tasks.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// A whole file as one text, with one line feed for each line end.
inline std::vector<example> read_text_example(const std::string& path) {
  const memory_map file(path);
  const std::string_view all = detail::text_of_file(file, path);
  detail::require_utf8(all, path);
  std::string content;
  content.reserve(all.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] != '\r')
      content += all[i];
    else if (i + 1 == all.size() || all[i + 1] != '\n')
      content += '\n';
  return {{std::move(content), 1}};
}

/// Reads .jsonl, .ndjson and .json as JSON, .tsv as a table, .txt and others as text. A file with another name is JSON
/// if it begins as an object or a list of objects. Every error names the file and, if it lies in one, the line.
inline std::vector<example> read_examples(const std::string& path) {
  const auto named = [&](std::string_view ending) { return path.ends_with(ending); };
  if (named(".tsv")) return read_table_examples(path);
  if (named(".txt")) return read_text_example(path);
  if (named(".jsonl") || named(".ndjson") || named(".json")) return read_json_examples(path);
  bool is_json = false;
  {
    const memory_map file(path);
    std::string_view all = detail::text_of_file(file, path);
    for (const char wanted : {'[', '{'}) {
      all.remove_prefix(std::min(all.size(), all.find_first_not_of(" \t\r\n")));
      is_json = all.starts_with('{');
      if (is_json || !all.starts_with(wanted)) break;
      all.remove_prefix(1);
    }
  }
  return is_json ? read_json_examples(path) : read_text_example(path);
}

}  // namespace zoft::inline ZOFT_ISA::io
