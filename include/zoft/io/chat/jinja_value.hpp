/// The values of a Jinja template, as Python has them: what a chat template reads, computes and prints.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

class value;
struct macro;

/// A name that has no value. It prints as nothing; most other uses are errors that give the name.
struct undefined {
  std::shared_ptr<const std::string> what;
};

struct none {};

/// UTF-8. `safe` marks what Markup is in Python: text added to it is escaped for HTML.
struct string {
  std::shared_ptr<const std::string> text;
  bool safe = false;
};

struct sequence_body;
struct dictionary_body;
struct loop_body;

struct sequence {
  /// A view is what keys(), values() and items() return. A generator can be gone through once.
  enum class form : unsigned char { list, tuple, range, view, generator };
  form kind = form::list;
  std::shared_ptr<sequence_body> body;
};

struct dictionary {
  std::shared_ptr<const dictionary_body> body;
};

/// What namespace() returns: the only value that changes. It belongs to the rendering, so that cycles do no harm.
struct name_space {
  std::vector<std::pair<std::string, value>>* attributes;
};

/// The variable `loop` in a for loop.
struct loop {
  std::shared_ptr<loop_body> body;
};

/// A function of the environment, by name.
struct builtin {
  std::string_view name;
};

/// A method that is bound to its object.
struct method {
  std::shared_ptr<const value> self;
  std::string name;
};

class value {
 public:
  using storage = std::variant<undefined, none, bool, std::int64_t, double, string, sequence, dictionary, name_space,
                               loop, builtin, method, const macro*>;

  value() = default;
  value(undefined v) : storage_(std::move(v)) {}
  value(none v) : storage_(v) {}
  value(bool v) : storage_(v) {}
  value(std::int64_t v) : storage_(v) {}
  value(double v) : storage_(v) {}
  value(string v) : storage_(std::move(v)) {}
  value(sequence v) : storage_(std::move(v)) {}
  value(dictionary v) : storage_(std::move(v)) {}
  value(name_space v) : storage_(v) {}
  value(loop v) : storage_(std::move(v)) {}
  value(builtin v) : storage_(v) {}
  value(method v) : storage_(std::move(v)) {}
  value(const macro* v) : storage_(v) {}
  value(std::string v) : storage_(string{std::make_shared<const std::string>(std::move(v))}) {}
  value(const char*) = delete;

  template <class T>
  const T* as() const {
    return std::get_if<T>(&storage_);
  }
  template <class T>
  bool is() const {
    return std::holds_alternative<T>(storage_);
  }
  /// The text of a string, or null.
  const std::string* text() const {
    const auto* found = as<string>();
    return found == nullptr ? nullptr : found->text.get();
  }

 private:
  storage storage_;
};

struct sequence_body {
  std::vector<value> items;
  std::size_t depth = 1;  ///< how many containers lie within each other
  std::size_t taken = 0;  ///< items that a generator no longer has
};

struct dictionary_body {
  std::vector<std::pair<value, value>> items;  ///< in the order of insertion
  std::size_t depth = 1;
};

struct loop_body {
  std::vector<value> items;
  std::size_t index = 0;  ///< from 0
  std::size_t depth = 1;
};

/// The most containers within each other. What is deeper is refused, so that recursion over values is bounded.
inline constexpr std::size_t deepest_value = 64;

inline std::size_t depth_of(const value& v) {
  if (const auto* list = v.as<sequence>()) return list->body->depth;
  if (const auto* map = v.as<dictionary>()) return map->body->depth;
  if (const auto* around = v.as<loop>()) return around->body->depth;
  if (const auto* bound = v.as<method>()) return depth_of(*bound->self) + 1;
  return 0;
}

inline std::size_t depth_of(const std::vector<value>& items) {
  std::size_t deepest = 0;
  for (const value& item : items) deepest = std::max(deepest, depth_of(item));
  return deepest + 1;
}

/// Whether Python takes it as a key: what cannot change.
inline bool can_be_key(const value& v) {
  return !v.is<dictionary>() && (!v.is<sequence>() || v.as<sequence>()->kind != sequence::form::list);
}

/// A value that is a whole number, which true and false are too in Python.
inline const std::int64_t* whole(const value& v, std::int64_t& room) {
  if (const auto* number = v.as<std::int64_t>()) return number;
  const auto* truth = v.as<bool>();
  if (truth == nullptr) return nullptr;
  room = *truth ? 1 : 0;
  return &room;
}

inline bool is_number(const value& v) { return v.is<bool>() || v.is<std::int64_t>() || v.is<double>(); }

/// Needs is_number(v).
inline double real_of(const value& v) {
  std::int64_t room = 0;
  if (const auto* number = v.as<double>()) return *number;
  return static_cast<double>(*whole(v, room));
}

inline bool truth_of(const value& v) {
  if (const auto* truth = v.as<bool>()) return *truth;
  if (is_number(v)) return real_of(v) != 0;
  if (const auto* characters = v.text()) return !characters->empty();
  if (const auto* list = v.as<sequence>()) return list->kind == sequence::form::generator || !list->body->items.empty();
  if (const auto* map = v.as<dictionary>()) return !map->body->items.empty();
  return !v.is<undefined>() && !v.is<none>();
}

/// Python's name of its type, for messages.
inline std::string_view type_of(const value& v) {
  if (v.is<undefined>()) return "undefined";
  if (v.is<none>()) return "none";
  if (v.is<bool>()) return "a truth value";
  if (v.is<std::int64_t>()) return "a whole number";
  if (v.is<double>()) return "a number";
  if (v.is<string>()) return "text";
  if (v.is<dictionary>()) return "a mapping";
  if (v.is<name_space>()) return "a namespace";
  if (v.is<loop>()) return "loop";
  if (v.is<builtin>() || v.is<method>() || v.is<const macro*>()) return "a function";
  switch (v.as<sequence>()->kind) {
    case sequence::form::list:
      return "a list";
    case sequence::form::tuple:
      return "a tuple";
    case sequence::form::range:
      return "a range";
    default:
      return "an iterator";
  }
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
