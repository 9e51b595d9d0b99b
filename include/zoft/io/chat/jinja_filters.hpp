/// The filters of Jinja templates, each as jinja2 and transformers define it.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "jinja_json.hpp"
#include "jinja_machine.hpp"
#include "jinja_methods.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

/// What a filter works on: a subject, and arguments in the order of the parameters.
struct filtering {
  machine& m;
  const value& subject;
  const bound_arguments& a;
  const std::string& who;

  bool flag(std::size_t i) const { return a[i] != nullptr && truth_of(*a[i]); }
  std::string text() const { return m.printed(subject); }
  bool safe() const { return subject.is<string>() && subject.as<string>()->safe; }
};

/// The attribute of an item by a path such as "function.name". `absent` stands in where a part of it is not defined.
inline value attribute_of(machine& m, value object, const value& path, const value* absent = nullptr) {
  const auto step = [&](const value& key) {
    object = m.item(object, key);
    if (absent != nullptr && !absent->is<none>() && object.is<undefined>()) object = *absent;
  };
  if (path.text() == nullptr) {
    step(path);
    return object;
  }
  std::string_view rest = *path.text();
  while (!m.failed()) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    std::int64_t index = 0;
    const auto read = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number =
        !part.empty() && part[0] != '-' && read.ec == std::errc() && read.ptr == part.data() + part.size();
    step(number ? value(index) : m.text(part, false));
    if (part.size() == rest.size()) break;
    rest.remove_prefix(part.size() + 1);
  }
  return object;
}

/// What items are sorted by: an attribute, and text without regard to case unless that is asked for.
inline value sort_key(machine& m, const value& item, const value* attribute, bool with_cases) {
  value key = attribute == nullptr || attribute->is<none>() ? item : attribute_of(m, item, *attribute);
  return with_cases || key.text() == nullptr ? key : m.text(with_case(m, *key.text(), "lower"));
}

/// A stable sort that ends when the machine fails. Merges from the bottom up, so that no order is relied on.
template <class Item>
void sort_by_key(machine& m, std::vector<std::pair<value, Item>>& items, bool reverse) {
  std::vector<std::pair<value, Item>> merged(items.size());
  for (std::size_t width = 1; width < items.size() && !m.failed(); width *= 2) {
    for (std::size_t begin = 0; begin < items.size(); begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, items.size()), end = std::min(middle + width, items.size());
      std::size_t left = begin, right = middle;
      for (std::size_t to = begin; to < end; ++to) {
        const bool take_right =
            left == middle || (right < end && (reverse ? m.less(items[left].first, items[right].first)
                                                       : m.less(items[right].first, items[left].first)));
        merged[to] = std::move(items[take_right ? right++ : left++]);
      }
    }
    items.swap(merged);
  }
}

inline value sorted(machine& m, std::vector<value> items, const value* attribute, bool with_cases, bool reverse) {
  std::vector<std::pair<value, value>> keyed;
  for (value& item : items) {
    value key = sort_key(m, item, attribute, with_cases);
    keyed.emplace_back(std::move(key), std::move(item));
  }
  if (!m.spend(keyed.size(), 2 * keyed.size() * sizeof(keyed[0]))) return {};
  sort_by_key(m, keyed, reverse);
  items.clear();
  for (auto& [key, item] : keyed) items.push_back(std::move(item));
  return m.list(std::move(items));
}

inline value filter_default(const filtering& f) {
  if (!f.subject.is<undefined>() && !(f.flag(1) && !truth_of(f.subject))) return f.subject;
  return f.a[0] == nullptr ? f.m.text(std::string()) : *f.a[0];
}

inline value filter_length(const filtering& f) {
  if (const auto* characters = f.subject.text())
    return f.m.spend(characters->size() / 64) ? value(static_cast<std::int64_t>(length_of(*characters))) : value();
  if (const auto* map = f.subject.as<dictionary>()) return static_cast<std::int64_t>(map->body->items.size());
  if (const auto* items = f.subject.as<sequence>(); items != nullptr && items->kind != sequence::form::generator)
    return static_cast<std::int64_t>(items->body->items.size());
  if (f.subject.is<undefined>()) return std::int64_t{0};
  return f.m.refuse(std::string(type_of(f.subject)) + " has no length");
}

inline value filter_trim(const filtering& f) {
  const std::string characters = f.text();
  if (f.a[0] == nullptr || f.a[0]->is<none>()) return f.m.text(strip(characters), f.safe());
  const std::string_view set = text_argument(f.m, f.a[0], f.who);
  if (!f.m.spend_search(characters.size(), 64 * set.size())) return {};
  return f.m.text(strip_set(characters, set, true, true), f.safe());
}

inline value filter_upper(const filtering& f) { return f.m.text(with_case(f.m, f.text(), "upper"), f.safe()); }
inline value filter_lower(const filtering& f) { return f.m.text(with_case(f.m, f.text(), "lower"), f.safe()); }
inline value filter_capitalize(const filtering& f) {
  return f.m.text(with_case(f.m, f.text(), "capitalize"), f.safe());
}

/// Unlike str.title, words begin after white space and - ( { [ < only.
inline value filter_title(const filtering& f) {
  std::string characters = with_case(f.m, f.text(), "lower");
  for (std::size_t at = 0, next = 0; at < characters.size(); at = next) {
    next = at + character_at(characters, at).length;
    const std::size_t last = at == 0 ? 0 : before(characters, at);
    const char32_t code = at == 0 ? U' ' : character_at(characters, last).code;
    if (is_space(code) || code == '-' || code == '(' || code == '{' || code == '[' || code == '<')
      characters[at] = to_upper(characters[at]);
  }
  return f.m.text(std::move(characters));
}

inline value filter_replace(const filtering& f) {
  if (f.a[0] == nullptr || f.a[1] == nullptr) return f.m.refuse(f.who + " wants two texts");
  const std::string from = f.m.printed(*f.a[0]), to = f.m.printed(*f.a[1]);
  const bool all = f.a[2] == nullptr || f.a[2]->is<none>();
  return replaced(f.m, f.text(), from, to, all ? -1 : whole_argument(f.m, f.a[2], -1, f.who));
}

inline value filter_string(const filtering& f) { return f.safe() ? f.subject : f.m.text(f.text()); }
inline value filter_safe(const filtering& f) { return f.m.text(f.text(), true); }
inline value filter_escape(const filtering& f) {
  if (f.safe()) return f.subject;
  const std::string characters = f.text();
  return f.m.spend(1, 6 * characters.size()) ? f.m.text(escaped(characters), true) : value();
}

inline value filter_indent(const filtering& f) {
  if (f.subject.text() == nullptr)
    return f.m.refuse(f.who + " of " + std::string(type_of(f.subject)) + " is not known");
  std::string prefix;
  if (f.a[0] != nullptr && f.a[0]->text() != nullptr)
    prefix = *f.a[0]->text();
  else
    prefix.assign(static_cast<std::size_t>(std::clamp<std::int64_t>(whole_argument(f.m, f.a[0], 4, f.who), 0, 1000)),
                  ' ');
  const value lines = lines_of(f.m, f.text() + "\n", false);
  if (f.m.failed()) return {};
  std::string result = f.flag(1) ? prefix : "";
  bool begun = false;
  for (const value& line : lines.as<sequence>()->body->items) {
    if (std::exchange(begun, true)) {
      result += '\n';
      if (!f.m.spend(1, prefix.size())) return {};
      if (f.flag(2) || !line.text()->empty()) result += prefix;
    }
    result += *line.text();
  }
  return f.m.text(std::move(result));
}

inline value filter_join(const filtering& f) {
  std::vector<value> items = f.m.items_of(f.subject);
  if (f.a[1] != nullptr && !f.a[1]->is<none>())
    for (value& item : items) item = attribute_of(f.m, item, *f.a[1]);
  return join(f.m, f.a[0] == nullptr ? std::string() : f.m.printed(*f.a[0]), items, true);
}

inline value filter_list(const filtering& f) { return f.m.list(f.m.items_of(f.subject)); }

inline value filter_items(const filtering& f) {
  if (f.subject.is<undefined>()) return f.m.list({}, sequence::form::generator);
  const auto* map = f.subject.as<dictionary>();
  if (map == nullptr) return f.m.refuse(f.who + " wants a mapping, and not " + std::string(type_of(f.subject)));
  std::vector<value> items;
  for (const auto& [key, item] : map->body->items) items.push_back(f.m.list({key, item}, sequence::form::tuple));
  return f.m.list(std::move(items), sequence::form::generator);
}

inline value filter_first(const filtering& f) {
  if (const auto* items = f.subject.as<sequence>(); items != nullptr && items->kind == sequence::form::generator) {
    sequence_body& body = *items->body;
    if (body.taken < body.items.size()) return body.items[body.taken++];
    return f.m.unknown("the first item of none");
  }
  const std::vector<value> items = f.m.items_of(f.subject);
  return items.empty() ? f.m.unknown("the first item of none") : items.front();
}

inline value filter_last(const filtering& f) {
  if (const auto* items = f.subject.as<sequence>(); items != nullptr && items->kind == sequence::form::generator)
    return f.m.refuse("an iterator has no last item");
  if (f.subject.is<undefined>()) return f.m.refuse_undefined(f.subject);
  const std::vector<value> items = f.m.items_of(f.subject);
  return items.empty() ? f.m.unknown("the last item of none") : items.back();
}

inline value filter_reverse(const filtering& f) {
  std::vector<value> items = f.m.items_of(f.subject);
  std::reverse(items.begin(), items.end());
  if (f.subject.text() == nullptr) return f.m.list(std::move(items), sequence::form::generator);
  std::string result;
  for (const value& item : items) result += *item.text();
  return f.m.text(std::move(result));
}

inline value filter_dictsort(const filtering& f) {
  const auto* map = f.subject.as<dictionary>();
  if (map == nullptr) return f.m.refuse(f.who + " wants a mapping, and not " + std::string(type_of(f.subject)));
  const std::string_view by = f.a[1] == nullptr ? "key" : text_argument(f.m, f.a[1], f.who);
  if (by != "key" && by != "value") return f.m.refuse(f.who + " sorts by key or value");
  std::vector<value> items;
  for (const auto& [key, item] : map->body->items) items.push_back(f.m.list({key, item}, sequence::form::tuple));
  const value place = std::int64_t{by == "key" ? 0 : 1};
  return sorted(f.m, std::move(items), &place, f.flag(0), f.flag(2));
}

inline value filter_sort(const filtering& f) {
  if (f.a[2] != nullptr && f.a[2]->text() != nullptr && f.a[2]->text()->find(',') != std::string::npos)
    return f.m.refuse(f.who + " by several attributes is not known");
  return sorted(f.m, f.m.items_of(f.subject), f.a[2], f.flag(1), f.flag(0));
}

inline value filter_unique(const filtering& f) {
  std::vector<value> kept, keys;
  for (value& item : f.m.items_of(f.subject)) {
    value key = sort_key(f.m, item, f.a[1], f.flag(0));
    if (!can_be_key(key)) return f.m.refuse(f.who + " of " + std::string(type_of(key)) + " is not known");
    bool known = false;
    for (const value& old : keys) known = known || f.m.equal(old, key);
    if (f.m.failed()) return {};
    if (known) continue;
    keys.push_back(std::move(key));
    kept.push_back(std::move(item));
  }
  return f.m.list(std::move(kept), sequence::form::generator);
}

inline value least(const filtering& f, bool greatest) {
  const std::vector<value> items = f.m.items_of(f.subject);
  if (items.empty()) return f.m.unknown("an item of none");
  std::size_t found = 0;
  value best = sort_key(f.m, items[0], f.a[1], f.flag(0));
  for (std::size_t i = 1; i < items.size() && !f.m.failed(); ++i) {
    value key = sort_key(f.m, items[i], f.a[1], f.flag(0));
    if (!(greatest ? f.m.less(best, key) : f.m.less(key, best))) continue;
    best = std::move(key);
    found = i;
  }
  return items[found];
}
inline value filter_min(const filtering& f) { return least(f, false); }
inline value filter_max(const filtering& f) { return least(f, true); }

inline value filter_abs(const filtering& f) {
  std::int64_t room = 0;
  if (const auto* real = f.subject.as<double>()) return std::fabs(*real);
  const auto* number = whole(f.subject, room);
  if (number == nullptr || *number == std::numeric_limits<std::int64_t>::min())
    return f.m.refuse(f.who + " of " + std::string(type_of(f.subject)) + " is not known");
  return *number < 0 ? -*number : *number;
}

/// The number that the text is, as int() or float() of Python read it.
inline std::optional<double> read_real(std::string_view characters) {
  characters = strip(characters);
  if (characters.starts_with('+') && !characters.starts_with("+-")) characters.remove_prefix(1);
  double number = 0;
  const char* const end = characters.data() + characters.size();
  const auto read = std::from_chars(characters.data(), end, number);
  if (characters.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

inline value filter_int(const filtering& f) {
  if (f.subject.is<undefined>()) return f.m.refuse_undefined(f.subject);
  if (f.a[1] != nullptr) return f.m.refuse(f.who + " with another base is not known");
  std::int64_t room = 0;
  if (const auto* number = whole(f.subject, room)) return *number;
  std::optional<double> real;
  if (const auto* number = f.subject.as<double>()) real = *number;
  if (const auto* characters = f.subject.text()) {
    const std::string_view digits = strip(*characters);
    const char* const end = digits.data() + digits.size();
    const bool plus = digits.size() > 1 && digits[0] == '+' && digits[1] >= '0' && digits[1] <= '9';
    const auto read = std::from_chars(digits.data() + plus, end, room);
    if (!digits.empty() && read.ptr == end && read.ec == std::errc()) return room;
    if (characters->find('_') != std::string::npos) return f.m.refuse(f.who + " of underscores is not known");
    real = read_real(*characters);
  }
  if (!real || !std::isfinite(*real)) return f.a[0] == nullptr ? value(std::int64_t{0}) : *f.a[0];
  if (std::fabs(*real) >= 0x1p63) return f.m.refuse("a number is too large");
  return static_cast<std::int64_t>(*real);
}

inline value filter_float(const filtering& f) {
  if (f.subject.is<undefined>()) return f.m.refuse_undefined(f.subject);
  if (is_number(f.subject)) return real_of(f.subject);
  const auto real = f.subject.text() == nullptr ? std::nullopt : read_real(*f.subject.text());
  return real ? value(*real) : f.a[0] == nullptr ? value(0.0) : *f.a[0];
}

inline value filter_round(const filtering& f) {
  if (!is_number(f.subject)) return f.m.refuse(f.who + " of " + std::string(type_of(f.subject)) + " is not known");
  const std::int64_t places = whole_argument(f.m, f.a[0], 0, f.who);
  const std::string_view how = f.a[1] == nullptr ? "common" : text_argument(f.m, f.a[1], f.who);
  if (places < 0 || places > 15 || (how != "common" && how != "ceil" && how != "floor"))
    return f.m.refuse(f.who + " to that place or in that way is not known");
  const double number = real_of(f.subject), scale = std::pow(10.0, static_cast<double>(places));
  if (how == "ceil") return std::ceil(number * scale) / scale;
  if (how == "floor") return std::floor(number * scale) / scale;
  std::int64_t room = 0;
  if (const auto* exact = whole(f.subject, room)) return *exact;
  std::array<char, 512> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::fixed,
                                     static_cast<int>(places));
  double result = number;
  if (written.ec == std::errc()) std::from_chars(buffer.data(), written.ptr, result);
  return result;
}

inline value filter_sum(const filtering& f) {
  value total = f.a[1] == nullptr ? value(std::int64_t{0}) : *f.a[1];
  for (const value& item : f.m.items_of(f.subject)) {
    const value one = f.a[0] == nullptr || f.a[0]->is<none>() ? item : attribute_of(f.m, item, *f.a[0]);
    std::int64_t x = 0, y = 0, sum = 0;
    const auto *left = whole(total, x), *right = whole(one, y);
    if (!is_number(total) || !is_number(one)) return f.m.refuse(f.who + " wants numbers");
    if (left == nullptr || right == nullptr)
      total = real_of(total) + real_of(one);
    else if (__builtin_add_overflow(*left, *right, &sum))
      return f.m.refuse("a number is too large");
    else
      total = sum;
  }
  return total;
}

inline value filter_tojson(const filtering& f) {
  json_style style;
  style.ascii = f.flag(0);
  style.sorted = f.flag(3);
  if (f.a[1] != nullptr && !f.a[1]->is<none>()) {
    style.indented = true;
    style.comma = ",";
    if (f.a[1]->text() != nullptr)
      style.indent = *f.a[1]->text();
    else
      style.indent.assign(
          static_cast<std::size_t>(std::clamp<std::int64_t>(whole_argument(f.m, f.a[1], 0, f.who), 0, 100)), ' ');
  }
  if (f.a[2] != nullptr && !f.a[2]->is<none>()) {
    const std::vector<value> separators = f.m.items_of(*f.a[2]);
    if (separators.size() != 2) return f.m.refuse(f.who + " wants two separators");
    style.comma = text_argument(f.m, &separators[0], f.who);
    style.colon = text_argument(f.m, &separators[1], f.who);
  }
  std::string result;
  append_json(f.m, result, f.subject, style, 0);
  return f.m.text(std::move(result));
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
