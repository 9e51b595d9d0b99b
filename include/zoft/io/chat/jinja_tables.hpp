/// The filters and tests that are known, by name. A new one is a function and a line here.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "jinja_filters.hpp"
#include "jinja_machine.hpp"
#include "jinja_methods.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

struct filter_entry {
  std::string_view name, parameters;
  value (*apply)(const filtering&);
};

inline constexpr std::array<filter_entry, 37> filters{{
    {"abs", "", filter_abs},
    {"capitalize", "", filter_capitalize},
    {"count", "", filter_length},
    {"d", "default_value boolean", filter_default},
    {"default", "default_value boolean", filter_default},
    {"dictsort", "case_sensitive by reverse", filter_dictsort},
    {"e", "", filter_escape},
    {"escape", "", filter_escape},
    {"first", "", filter_first},
    {"float", "default", filter_float},
    {"indent", "width first blank", filter_indent},
    {"int", "default base", filter_int},
    {"items", "", filter_items},
    {"join", "d attribute", filter_join},
    {"last", "", filter_last},
    {"length", "", filter_length},
    {"list", "", filter_list},
    {"lower", "", filter_lower},
    {"max", "case_sensitive attribute", filter_max},
    {"min", "case_sensitive attribute", filter_min},
    {"replace", "old new count", filter_replace},
    {"reverse", "", filter_reverse},
    {"round", "precision method", filter_round},
    {"safe", "", filter_safe},
    {"sort", "reverse case_sensitive attribute", filter_sort},
    {"string", "", filter_string},
    {"sum", "attribute start", filter_sum},
    {"title", "", filter_title},
    {"tojson", "ensure_ascii indent separators sort_keys", filter_tojson},
    {"trim", "chars", filter_trim},
    {"unique", "case_sensitive attribute", filter_unique},
    {"upper", "", filter_upper},
    // Those below take the names and arguments of other filters and tests.
    {"map", "*", nullptr},
    {"reject", "*", nullptr},
    {"rejectattr", "*", nullptr},
    {"select", "*", nullptr},
    {"selectattr", "*", nullptr},
}};

/// The items that map, select and reject go through: as in jinja2, none if the subject counts as false.
inline std::vector<value> items_to_filter(machine& m, const value& subject) {
  return truth_of(subject) ? m.items_of(subject) : std::vector<value>();
}

/// map(name, …), or map(attribute=…, default=…).
inline value filter_map(machine& m, const value& subject, arguments& given) {
  std::vector<value> result;
  if (given.list.empty()) {
    bound_arguments a;
    if (!m.bind("filter 'map'", "attribute default", given, a)) return {};
    if (a[0] == nullptr) return m.refuse("filter 'map' wants a filter or an attribute");
    for (const value& item : items_to_filter(m, subject)) result.push_back(attribute_of(m, item, *a[0], a[1]));
    return m.list(std::move(result), sequence::form::generator);
  }
  const std::string name(text_argument(m, &given.list[0], "filter 'map'"));
  arguments rest{{given.list.begin() + 1, given.list.end()}, given.named};
  for (const value& item : items_to_filter(m, subject)) {
    if (m.failed()) return {};
    result.push_back(m.filter(name, item, rest));
  }
  return m.list(std::move(result), sequence::form::generator);
}

/// select(test, …) and selectattr(attribute, test, …); reject and rejectattr take the others.
inline value filter_select(machine& m, std::string_view name, const value& subject, arguments& given) {
  const std::string who = "filter '" + std::string(name) + "'";
  const bool by_attribute = name.ends_with("attr"), wanted = name.starts_with("select");
  std::size_t first = by_attribute ? 1 : 0;
  if (given.list.size() < first) return m.refuse(who + " wants an attribute");
  const value attribute = by_attribute ? given.list[0] : value();
  std::string test;
  if (given.list.size() > first) test = text_argument(m, &given.list[first++], who);
  arguments rest{{given.list.begin() + static_cast<std::ptrdiff_t>(first), given.list.end()}, given.named};
  std::vector<value> kept;
  for (value& item : items_to_filter(m, subject)) {
    if (m.failed()) return {};
    const value tested = by_attribute ? attribute_of(m, item, attribute) : item;
    if ((test.empty() ? truth_of(tested) : m.test(test, tested, rest)) == wanted) kept.push_back(std::move(item));
  }
  return m.list(std::move(kept), sequence::form::generator);
}

inline value machine::filter(std::string_view name, const value& subject, arguments& given) {
  if (failed()) return {};
  for (const filter_entry& entry : filters) {
    if (entry.name != name) continue;
    if (name == "map") return filter_map(*this, subject, given);
    if (entry.apply == nullptr) return filter_select(*this, name, subject, given);
    bound_arguments a;
    const std::string who = "filter '" + std::string(name) + "'";
    return bind(who, entry.parameters, given, a) ? entry.apply({*this, subject, a, who}) : value();
  }
  if (name == "format") {
    if (!given.named.empty()) return refuse("filter 'format' with names is not known");
    return formatted(*this, printed(subject), list(given.list, sequence::form::tuple));
  }
  return refuse("filter '" + printable(name, 40) + "' is not known");
}

/// The tests without arguments. Nothing if there is none of that name.
inline std::optional<bool> simple_test(machine& m, std::string_view name, const value& v) {
  const auto* items = v.as<sequence>();
  std::int64_t room = 0;
  if (name == "defined") return !v.is<undefined>();
  if (name == "undefined") return v.is<undefined>();
  if (name == "none") return v.is<none>();
  if (name == "boolean") return v.is<bool>();
  if (name == "true") return v.is<bool>() && truth_of(v);
  if (name == "false") return v.is<bool>() && !truth_of(v);
  if (name == "integer") return v.is<std::int64_t>();
  if (name == "float") return v.is<double>();
  if (name == "number") return is_number(v);
  if (name == "string") return v.is<string>();
  if (name == "mapping") return v.is<dictionary>();
  if (name == "callable")
    return v.is<builtin>() || v.is<method>() || v.is<const macro*>() || v.is<loop>() || v.is<undefined>();
  if (name == "iterable")
    return items != nullptr || v.is<string>() || v.is<dictionary>() || v.is<undefined>() || v.is<loop>();
  if (name == "sequence")
    return (items != nullptr && items->kind <= sequence::form::range) || v.is<string>() || v.is<dictionary>() ||
           v.is<undefined>();
  if (name == "escaped") return v.is<string>() && v.as<string>()->safe;
  if (name == "lower" || name == "upper") {
    const std::string characters = m.printed(v);
    if (!case_is_known(characters))
      m.refuse("the case of letters beyond ASCII is not known ('" + std::string(name) + "')");
    bool cased = false, other = false;
    for (const char c : characters) {
      cased = cased || is_lower(c) || is_upper(c);
      other = other || (name == "lower" ? is_upper(c) : is_lower(c));
    }
    return cased && !other;
  }
  if (name == "odd" || name == "even") {
    const auto* number = whole(v, room);
    if (number == nullptr) m.refuse("test '" + std::string(name) + "' wants a whole number");
    return number != nullptr && (*number % 2 != 0) == (name == "odd");
  }
  return std::nullopt;
}

inline bool machine::test(std::string_view name, const value& subject, arguments& given) {
  if (!spend(1)) return false;
  const std::string who = "test '" + printable(name, 40) + "'";
  bound_arguments a;
  if (const auto result = simple_test(*this, name, subject)) return bind(who, "", given, a) && *result;
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 15> known{{
      {"==", "=="},
      {"eq", "=="},
      {"equalto", "=="},
      {"!=", "!="},
      {"ne", "!="},
      {"<", "<"},
      {"lt", "<"},
      {"lessthan", "<"},
      {">", ">"},
      {"gt", ">"},
      {"greaterthan", ">"},
      {"<=", "<="},
      {"le", "<="},
      {">=", ">="},
      {"ge", ">="},
  }};
  std::string_view operation;
  for (const auto& [alias, meaning] : known)
    if (alias == name) operation = meaning;
  if (operation.empty() && name != "in" && name != "divisibleby") return refuse(who + " is not known"), false;
  if (!bind(who, name == "in" ? "seq" : name == "divisibleby" ? "num" : "other", given, a)) return false;
  if (a[0] == nullptr) return refuse(who + " wants another value"), false;
  const value& other = *a[0];
  if (name == "in") return contains(other, subject);
  if (name == "divisibleby") {
    std::int64_t x = 0, y = 0;
    const auto *number = whole(subject, x), *by = whole(other, y);
    if (number == nullptr || by == nullptr || *by == 0) return refuse(who + " wants whole numbers above 0"), false;
    return *by == -1 || *number % *by == 0;
  }
  if (operation == "==") return equal(subject, other);
  if (operation == "!=") return !equal(subject, other);
  if (operation == "<") return less(subject, other);
  if (operation == ">") return less(other, subject);
  return equal(subject, other) || (operation == "<=" ? less(subject, other) : less(other, subject));
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
