/// Tables of what the program can be told by name.
#pragma once

#include <string>
#include <tuple>
#include <vector>

namespace finetune {

/// A line of a table.
template <class Make>
struct choice {
  const char* name;
  const char* help;
  Make make;
};
template <class Make>
choice(const char*, const char*, Make) -> choice<Make>;

template <class F>
void for_each(const auto& table, F f) {
  std::apply([&](const auto&... each) { (f(each), ...); }, table);
}

std::vector<std::string> names_of(const auto& table) {
  std::vector<std::string> result;
  for_each(table, [&](const auto& line) { result.push_back(line.name); });
  return result;
}

std::string help_of(const auto& table) {
  std::string result;
  for_each(table, [&](const auto& line) { result += std::string(line.name) + ": " + line.help + "\n"; });
  return result;
}

}  // namespace finetune
