// Examples to train on: JSON lines or a list, and tables.
#include <string>
#include <zoft/io/data/json_examples.hpp>
#include <zoft/io/data/table.hpp>

#include "entry.hpp"

ZOFT_FUZZ(json_lines) {
  const std::string& path = fuzz::file::of(bytes);
  fuzz::accepts([&] { zoft::io::read_table_examples(path); });
  zoft::io::read_json_examples(path);
}
