/// Writes a value of a Jinja template as json.dumps of Python does.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "jinja_machine.hpp"
#include "jinja_text.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

template <class Item>
void sort_by_key(machine& m, std::vector<std::pair<value, Item>>& items, bool reverse);

struct json_style {
  bool ascii = false;     ///< other characters as \uXXXX
  bool sorted = false;    ///< keys in order
  bool indented = false;  ///< a line for each item
  std::string indent, comma = ", ", colon = ": ";
};

inline void append_json(machine& m, std::string& out, const value& v, const json_style& style, std::size_t level) {
  const std::size_t before = out.size();
  const auto line = [&](std::size_t deep) {
    if (!style.indented) return;
    out += '\n';
    for (std::size_t i = 0; i < deep; ++i) out += style.indent;
  };
  std::int64_t room = 0;
  if (v.is<none>()) {
    out += "null";
  } else if (const auto* truth = v.as<bool>()) {
    out += *truth ? "true" : "false";
  } else if (const auto* number = whole(v, room)) {
    out += zoft::text(*number);
  } else if (const auto* real = v.as<double>()) {
    out += std::isnan(*real) ? "NaN" : std::isinf(*real) ? (*real < 0 ? "-Infinity" : "Infinity") : number_text(*real);
  } else if (const auto* characters = v.text()) {
    if (m.spend(characters->size() / 16)) out += json_quoted(*characters, style.ascii);
  } else if (const auto* items = v.as<sequence>(); items != nullptr && items->kind <= sequence::form::tuple) {
    out += '[';
    for (const value& item : items->body->items) {
      if (&item != &items->body->items.front()) out += style.comma;
      line(level + 1);
      append_json(m, out, item, style, level + 1);
      if (m.failed()) return;
    }
    if (!items->body->items.empty()) line(level);
    out += ']';
  } else if (const auto* map = v.as<dictionary>()) {
    auto pairs = map->body->items;
    if (style.sorted) sort_by_key(m, pairs, false);
    out += '{';
    for (const auto& [key, item] : pairs) {
      if (&key != &pairs.front().first) out += style.comma;
      line(level + 1);
      if (key.text() == nullptr && !key.is<none>() && !is_number(key))
        return void(m.refuse(std::string(type_of(key)) + " cannot be a key of JSON"));
      if (key.text() == nullptr) out += '"';
      append_json(m, out, key, style, level + 1);
      if (key.text() == nullptr) out += '"';
      out += style.colon;
      append_json(m, out, item, style, level + 1);
      if (m.failed()) return;
    }
    if (!pairs.empty()) line(level);
    out += '}';
  } else {
    m.refuse(std::string(type_of(v)) + " cannot be written as JSON");
  }
  m.spend(1, out.size() - before);
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
