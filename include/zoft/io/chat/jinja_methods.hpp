/// The methods of text, lists and mappings that chat templates call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/config.hpp"
#include "jinja_machine.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

inline bool is_word_of(std::string_view words, std::string_view word) {
  for (std::size_t at = words.find(word); at != std::string_view::npos; at = words.find(word, at + 1))
    if ((at == 0 || words[at - 1] == ' ') && (at + word.size() == words.size() || words[at + word.size()] == ' '))
      return !word.empty();
  return false;
}

/// Whether Python's type has a method of that name, which then hides a key of that name.
inline bool has_method(const value& object, std::string_view name) {
  if (object.is<string>())
    return is_word_of(
        "capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha "
        "isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower "
        "lstrip maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip "
        "split "
        "splitlines startswith strip swapcase title translate upper zfill",
        name);
  if (object.is<dictionary>())
    return is_word_of("clear copy fromkeys get items keys pop popitem setdefault update values", name);
  const auto* items = object.as<sequence>();
  if (items == nullptr) return false;
  return items->kind == sequence::form::list
             ? is_word_of("append clear copy count extend index insert pop remove reverse sort", name)
             : items->kind <= sequence::form::range && is_word_of("count index", name);
}

/// The text of an argument, "" if it was not given. Anything else than text is refused.
inline std::string_view text_argument(machine& m, const value* given, const std::string& who) {
  if (given == nullptr) return {};
  if (const auto* characters = given->text()) return *characters;
  m.refuse(who + " wants text here, and not " + std::string(type_of(*given)));
  return {};
}

inline std::int64_t whole_argument(machine& m, const value* given, std::int64_t absent, const std::string& who) {
  std::int64_t room = 0;
  if (given == nullptr) return absent;
  if (const auto* number = whole(*given, room)) return *number;
  m.refuse(who + " wants a whole number here, and not " + std::string(type_of(*given)));
  return absent;
}

/// Text with another case. What Unicode's tables would be needed for is refused.
inline std::string with_case(machine& m, std::string_view characters, std::string_view how) {
  if (!case_is_known(characters))
    m.refuse("the case of letters beyond ASCII is not known ('" + std::string(how) + "')");
  m.spend(characters.size() / 16, characters.size());
  std::string result(characters);
  bool within = false;  // within a word
  for (char& c : result) {
    if (how == "upper")
      c = to_upper(c);
    else if (how == "lower" || within)
      c = to_lower(c);
    else
      c = to_upper(c);
    within = how == "capitalize" || (how == "title" && (is_lower(c) || is_upper(c)));
  }
  return result;
}

/// str.split: at white space where there is no separator.
inline value split(machine& m, std::string_view characters, const value* separator, std::int64_t most,
                   bool from_right) {
  const std::string who = from_right ? "method 'rsplit'" : "method 'split'";
  const bool spaces = separator == nullptr || separator->is<none>();
  const std::string_view at = spaces ? std::string_view() : text_argument(m, separator, who);
  if (!spaces && at.empty()) return m.failed() ? value() : m.refuse(who + " has an empty separator");
  if (!m.spend_search(characters.size(), at.size()) || !m.spend(characters.size() / 16)) return {};
  std::vector<value> parts;
  const auto put = [&](std::string_view part) { parts.push_back(m.text(part, false)); };
  for (; !m.failed(); --most) {
    if (spaces) characters = from_right ? strip_right(characters) : strip_left(characters);
    if (spaces && characters.empty()) break;
    std::size_t end = std::string_view::npos, next = 0;
    if (most == 0) {
    } else if (!spaces) {
      end = from_right ? characters.rfind(at) : characters.find(at);
      next = end + at.size();
    } else if (from_right) {
      for (std::size_t i = characters.size(); i > 0 && end == std::string_view::npos;) {
        const std::size_t last = before(characters, i);
        if (is_space(character_at(characters, last).code)) end = last, next = i;
        i = last;
      }
    } else {
      std::size_t i = 0;
      while (i < characters.size() && !is_space(character_at(characters, i).code))
        i += character_at(characters, i).length;
      if (i < characters.size()) end = i, next = i + character_at(characters, i).length;
    }
    if (end == std::string_view::npos) {
      put(characters);
      break;
    }
    put(from_right ? characters.substr(next) : characters.substr(0, end));
    characters = from_right ? characters.substr(0, end) : characters.substr(next);
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return m.list(std::move(parts));
}

/// str.replace. An empty `from` stands between all characters.
inline value replaced(machine& m, std::string_view characters, std::string_view from, std::string_view to,
                      std::int64_t most) {
  if (!m.spend_search(characters.size(), from.size())) return {};
  std::string result;
  std::size_t at = 0;
  for (; most != 0 && m.spend(1, to.size()); --most) {
    const std::size_t found = from.empty() ? at : characters.find(from, at);
    if (found == std::string_view::npos) break;
    result.append(characters.substr(at, found - at)).append(to);
    at = found + from.size();
    if (!from.empty()) continue;
    if (at == characters.size()) break;
    const std::size_t length = character_at(characters, at).length;
    result.append(characters.substr(at, length));
    at += length;
  }
  if (at < characters.size()) result.append(characters.substr(at));
  return m.text(std::move(result));
}

/// str.splitlines
inline value lines_of(machine& m, std::string_view characters, bool keep_ends) {
  std::vector<value> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < characters.size() && m.spend(1);) {
    const character c = character_at(characters, at);
    std::size_t end = at + c.length;
    const bool breaks = (c.code >= 10 && c.code <= 13) || (c.code >= 0x1c && c.code <= 0x1e) || c.code == 0x85 ||
                        c.code == 0x2028 || c.code == 0x2029;
    if (c.code == '\r' && end < characters.size() && characters[end] == '\n') ++end;
    if (breaks) {
      lines.push_back(m.text(characters.substr(begin, (keep_ends ? end : at) - begin), false));
      begin = end;
    }
    at = end;
  }
  if (begin < characters.size()) lines.push_back(m.text(characters.substr(begin), false));
  return m.list(std::move(lines));
}

/// separator.join(items). Python's method takes text only, the filter anything.
inline value join(machine& m, std::string_view separator, const std::vector<value>& items, bool anything) {
  std::string result;
  for (const value& item : items) {
    if (&item != &items.front() && m.spend(0, separator.size())) result += separator;
    if (!anything && item.text() == nullptr)
      return m.refuse("method 'join' wants text, and not " + std::string(type_of(item)));
    m.print(result, item);
    if (m.failed()) return {};
  }
  return m.text(std::move(result));
}

/// format % arguments, for %s, %d, %i and %%.
inline value formatted(machine& m, std::string_view format, const value& given) {
  const auto* tuple = given.as<sequence>();
  const bool several = tuple != nullptr && tuple->kind == sequence::form::tuple;
  std::size_t used = 0;
  std::string result;
  for (std::size_t at = 0; at < format.size() && !m.failed(); ++at) {
    if (format[at] != '%') {
      result += format[at];
      continue;
    }
    const char kind = ++at < format.size() ? format[at] : '\0';
    if (kind == '%') {
      result += '%';
      continue;
    }
    if (kind != 's' && kind != 'd' && kind != 'i') return m.refuse("a format other than %s, %d and %% is not known");
    if (used >= (several ? tuple->body->items.size() : 1)) return m.refuse("a format has too few arguments");
    const value& argument = several ? tuple->body->items[used] : given;
    ++used;
    std::int64_t room = 0;
    if (kind == 's')
      m.print(result, argument);
    else if (const auto* number = whole(argument, room))
      result += text(*number);
    else
      return m.refuse("%d wants a whole number, and not " + std::string(type_of(argument)));
  }
  if (used != (several ? tuple->body->items.size() : 1)) return m.refuse("a format has too many arguments");
  m.spend(format.size() / 16, format.size());
  return m.text(std::move(result));
}

/// startswith and endswith, with one text or a tuple of them.
inline value begins_or_ends(machine& m, std::string_view characters, const value* wanted, bool begins,
                            const std::string& who) {
  std::vector<value> all;
  if (wanted == nullptr) return m.refuse(who + " wants text");
  if (const auto* several = wanted->as<sequence>(); several != nullptr && several->kind == sequence::form::tuple)
    all = m.items_of(*wanted);
  else
    all.push_back(*wanted);
  for (const value& one : all) {
    const std::string_view part = text_argument(m, &one, who);
    if (m.failed()) return {};
    if (begins ? characters.starts_with(part) : characters.ends_with(part)) return true;
  }
  return false;
}

/// A method of text.
inline value call_text_method(machine& m, const string& self, const std::string& name, arguments& given) {
  const std::string who = "method '" + name + "'";
  const std::string_view characters = *self.text;
  bound_arguments a;
  const auto bind = [&](std::string_view parameters) { return m.bind(who, parameters, given, a); };
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    if (!bind("1") || !m.spend(characters.size() / 64)) return {};
    const bool left = name != "rstrip", right = name != "lstrip";
    if (a[0] == nullptr || a[0]->is<none>())
      return m.text(left ? right ? strip(characters) : strip_left(characters) : strip_right(characters), self.safe);
    const std::string_view set = text_argument(m, a[0], who);
    return m.spend_search(characters.size(), 64 * set.size())
               ? m.text(strip_set(characters, set, left, right), self.safe)
               : value();
  }
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize")
    return bind("") ? m.text(with_case(m, characters, name), self.safe) : value();
  if (name == "startswith" || name == "endswith")
    return bind("1") ? begins_or_ends(m, characters, a[0], name == "startswith", who) : value();
  if (self.safe) return m.refuse(who + " of escaped text is not known");
  if (name == "split" || name == "rsplit")
    return bind("sep maxsplit") ? split(m, characters, a[0], whole_argument(m, a[1], -1, who), name == "rsplit")
                                : value();
  if (name == "replace") {
    if (!bind("1 2 3")) return {};
    if (a[0] == nullptr || a[1] == nullptr) return m.refuse(who + " wants two texts");
    const std::string_view from = text_argument(m, a[0], who), to = text_argument(m, a[1], who);
    return replaced(m, characters, from, to, whole_argument(m, a[2], -1, who));
  }
  if (name == "join") {
    if (!bind("1")) return {};
    return a[0] == nullptr ? m.refuse(who + " wants a list") : join(m, characters, m.items_of(*a[0]), false);
  }
  if (name == "splitlines")
    return bind("keepends") ? lines_of(m, characters, a[0] != nullptr && truth_of(*a[0])) : value();
  if (name == "removeprefix" || name == "removesuffix") {
    if (!bind("1")) return {};
    const std::string_view part = text_argument(m, a[0], who);
    if (name == "removeprefix")
      return m.text(characters.starts_with(part) ? characters.substr(part.size()) : characters, false);
    return m.text(characters.ends_with(part) ? characters.substr(0, characters.size() - part.size()) : characters,
                  false);
  }
  if (name == "find" || name == "rfind" || name == "count") {
    if (!bind("1")) return {};
    if (a[0] == nullptr) return m.refuse(who + " wants text");
    const std::string_view part = text_argument(m, a[0], who);
    if (!m.spend_search(characters.size(), part.size())) return {};
    if (name == "count") {
      std::int64_t count = part.empty() ? static_cast<std::int64_t>(length_of(characters)) + 1 : 0;
      for (std::size_t at = 0; !part.empty() && (at = characters.find(part, at)) != std::string_view::npos;
           at += part.size())
        ++count;
      return count;
    }
    const std::size_t found = name == "find" ? characters.find(part) : characters.rfind(part);
    if (found == std::string_view::npos) return std::int64_t{-1};
    return static_cast<std::int64_t>(length_of(characters.substr(0, found)));
  }
  if (name == "isdigit" || name == "isspace" || name == "isupper" || name == "islower" || name == "isalpha" ||
      name == "isalnum") {
    if (!bind("")) return {};
    bool all = !characters.empty(), cased = false;
    for (const char c : characters) {
      if (static_cast<unsigned char>(c) >= 0x80) return m.refuse(who + " of text beyond ASCII is not known");
      const bool letter = is_lower(c) || is_upper(c), digit = c >= '0' && c <= '9';
      cased = cased || letter;
      if (name == "isdigit")
        all = all && digit;
      else if (name == "isspace")
        all = all && is_space(static_cast<unsigned char>(c));
      else if (name == "isupper")
        all = all && !is_lower(c);
      else if (name == "islower")
        all = all && !is_upper(c);
      else
        all = all && (letter || (digit && name == "isalnum"));
    }
    return all && (cased || (name != "isupper" && name != "islower"));
  }
  return m.refuse(who + " of text is not known");
}

/// A method of a mapping. Those that change it are refused, as in jinja2's sandbox.
inline value call_mapping_method(machine& m, const dictionary& self, const std::string& name, arguments& given) {
  const std::string who = "method '" + name + "'";
  bound_arguments a;
  if (name == "get") {
    if (!m.bind(who, "1 2", given, a)) return {};
    if (a[0] == nullptr || !can_be_key(*a[0])) return m.refuse(who + " wants a key");
    if (const value* found = m.find(self, *a[0])) return *found;
    return a[1] == nullptr ? value(none{}) : *a[1];
  }
  if (name == "copy") return m.bind(who, "", given, a) ? value(self) : value();
  if (name != "items" && name != "keys" && name != "values")
    return m.refuse(who + " of a mapping is not known, or changes it");
  if (!m.bind(who, "", given, a)) return {};
  std::vector<value> items;
  for (const auto& [key, item] : self.body->items)
    items.push_back(name == "keys" ? key : name == "values" ? item : m.list({key, item}, sequence::form::tuple));
  return m.list(std::move(items), sequence::form::view);
}

inline value machine::call_method(const method& bound, arguments& given) {
  if (const auto* characters = bound.self->as<string>()) return call_text_method(*this, *characters, bound.name, given);
  if (const auto* map = bound.self->as<dictionary>()) return call_mapping_method(*this, *map, bound.name, given);
  const std::string who = "method '" + bound.name + "'";
  if (bound.name != "index" && bound.name != "count")
    return refuse(who + " of " + std::string(type_of(*bound.self)) + " is not known, or changes it");
  bound_arguments a;
  if (!bind(who, "1", given, a)) return {};
  if (a[0] == nullptr) return refuse(who + " wants a value");
  std::int64_t count = 0, index = 0;
  for (const value& item : items_of(*bound.self)) {
    if (equal(item, *a[0])) {
      if (bound.name == "index") return index;
      ++count;
    }
    ++index;
  }
  return bound.name == "count" ? value(count) : refuse("a list does not hold what its index is asked for");
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
