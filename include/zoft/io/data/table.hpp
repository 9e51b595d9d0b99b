/// Reads tables: columns with tabs in between, with a header or without.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "example.hpp"
#include "lines.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct table {
  struct row {
    std::size_t line;
    std::vector<std::string> cells;
  };
  std::vector<std::string> names;  ///< of the columns, empty without a header
  std::vector<row> rows;

  /// The place of the column, or names.size() if there is none of that name.
  std::size_t column(const std::string& name) const {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  }
};

/// Throws, naming file and line, if a row has more or fewer columns than the first.
inline table read_table(const std::string& path, bool header) {
  table result;
  std::size_t columns = 0;
  for (const line& one : read_lines(path)) {
    std::vector<std::string> cells = cells_of(one.text);
    if (columns == 0) columns = cells.size();
    if (cells.size() != columns)
      fail(one.where(path) + ": has " + text(cells.size()) + " columns, and must have " + text(columns) +
           " as the first line");
    if (header && result.names.empty())
      result.names = std::move(cells);
    else
      result.rows.push_back({one.number, std::move(cells)});
  }
  return result;
}

/// Examples from a table whose header names the columns text, or prompt and completion. Without a header: one column of
/// text, or two of prompts and completions.
inline std::vector<example> read_table_examples(const std::string& path) {
  table source = read_table(path, false);
  if (source.rows.empty()) fail(path + ": holds blank lines only");
  table named{source.rows.front().cells, {}};
  const std::size_t count = named.names.size();
  std::size_t prompt = named.column("prompt"), completion = named.column("completion"), text_at = named.column("text");
  if (text_at < count || (prompt < count && completion < count)) {
    source.rows.erase(source.rows.begin());
  } else if (count <= 2) {
    text_at = count == 1 ? 0 : count;
    prompt = 0;
    completion = 1;
  } else {
    fail(path + ": has " + text(count) + " columns, and its first line names neither text nor prompt and completion");
  }
  std::vector<example> result;
  for (table::row& row : source.rows)
    if (text_at < count)
      result.push_back({std::move(row.cells[text_at]), row.line});
    else
      result.push_back({prompt_and_completion{row.cells[prompt], row.cells[completion]}, row.line});
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
