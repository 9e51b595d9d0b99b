/// The functions that chat templates call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "jinja_machine.hpp"
#include "jinja_methods.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

inline const builtin* find_builtin(std::string_view name) {
  static constexpr std::array<builtin, 8> known{
      {{"range"}, {"dict"}, {"namespace"}, {"raise_exception"}, {"strftime_now"}, {"cycler"}, {"joiner"}, {"lipsum"}}};
  for (const builtin& function : known)
    if (function.name == name) return &function;
  return nullptr;
}

inline value make_name_space(machine& m, arguments& given) {
  std::vector<std::pair<std::string, value>> attributes;
  const auto put = [&](const std::string& name, const value& v) {
    if (name.starts_with('_')) m.refuse("'" + name + "' cannot be set on a namespace");
    for (auto& [key, place] : attributes)
      if (m.spend(1) && key == name) return void(place = v);
    attributes.emplace_back(name, v);
  };
  if (given.list.size() > 1) return m.refuse("function 'namespace' takes one argument");
  if (!given.list.empty()) {
    const auto* map = given.list[0].as<dictionary>();
    if (map == nullptr) return m.refuse("function 'namespace' wants a mapping");
    for (const auto& [key, item] : map->body->items) {
      if (key.text() == nullptr) return m.refuse("function 'namespace' wants names");
      put(*key.text(), item);
    }
  }
  for (const auto& [key, item] : given.named) put(key, item);
  if (!m.spend(1, 64 * (1 + attributes.size()))) return {};
  return name_space{&m.spaces_.emplace_back(std::move(attributes))};
}

/// strftime_now(format): the time now, or the time that the rendering was given.
inline value formatted_time(machine& m, const std::string& format) {
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') continue;
    if (at + 1 < format.size() && format[at + 1] == '-') ++at;
    const char kind = ++at < format.size() ? format[at] : '\0';
    if (kind == '\0' || std::string_view("aAbBdHIjmMpSUwWyYcxXFTDeRn%Z").find(kind) == std::string_view::npos)
      return m.refuse("function 'strftime_now' does not know '%" + printable({&kind, 1}) + "'");
  }
  if (format.size() > 1000) return m.refuse("function 'strftime_now' has a format that is too long");
  std::tm now{};
  if (m.now() != nullptr) {
    now = *m.now();
  } else {
    const std::time_t seconds = std::time(nullptr);
#if defined(_WIN32)
    localtime_s(&now, &seconds);
#else
    localtime_r(&seconds, &now);
#endif
  }
  std::string result(64 * format.size() + 1, '\0');
  result.resize(std::strftime(result.data(), result.size(), format.c_str(), &now));
  return m.text(std::move(result));
}

inline value machine::call_builtin(std::string_view name, arguments& given) {
  const std::string who = "function '" + std::string(name) + "'";
  bound_arguments a;
  if (name == "namespace") return make_name_space(*this, given);
  if (name == "dict") {
    std::vector<std::pair<value, value>> items;
    if (given.list.size() > 1) return refuse(who + " takes one argument");
    if (!given.list.empty()) {
      const auto* map = given.list[0].as<dictionary>();
      if (map == nullptr) return refuse(who + " of " + std::string(type_of(given.list[0])) + " is not known");
      items = map->body->items;
    }
    for (auto& [key, item] : given.named) items.emplace_back(text(key), item);
    return mapping(std::move(items));
  }
  if (name == "raise_exception") {
    if (!bind(who, "message", given, a)) return {};
    return refuse("the template says: " + (a[0] == nullptr ? "" : printable(printed(*a[0]), 400)));
  }
  if (name == "strftime_now") {
    if (!bind(who, "format", given, a)) return {};
    const std::string format(text_argument(*this, a[0], who));
    return failed() ? value() : formatted_time(*this, format);
  }
  if (name != "range") return refuse(who + " is not known");
  if (!bind(who, "1 2 3", given, a)) return {};
  std::int64_t start = whole_argument(*this, a[0], 0, who), stop = whole_argument(*this, a[1], 0, who);
  const std::int64_t step = whole_argument(*this, a[2], 1, who);
  if (a[0] == nullptr || step == 0) return refuse(who + " wants numbers, and a step that is not 0");
  if (a[1] == nullptr) stop = std::exchange(start, 0);
  std::vector<value> numbers;
  for (std::int64_t i = start; (step > 0 ? i < stop : i > stop) && !failed();) {
    numbers.emplace_back(i);
    if (numbers.size() > 100'000) return refuse(who + " is of more than 100000 numbers");
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return list(std::move(numbers), sequence::form::range);
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
