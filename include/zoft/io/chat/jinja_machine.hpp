/// What a Jinja template is rendered on: names, limits, errors, and how Python prints and compares values.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "jinja_lexer.hpp"
#include "jinja_syntax.hpp"
#include "jinja_text.hpp"
#include "jinja_value.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

/// What one rendering may use. Templates come with models, and nobody has read them.
struct limits {
  std::size_t steps = 20'000'000;    ///< nodes evaluated and values compared: about 2 seconds
  std::size_t bytes = 256ull << 20;  ///< of text and lists that are made, also of those that are thrown away
  std::size_t nested = 400;          ///< nodes that are evaluated within each other
};

/// The names of a block. One that a macro was defined in is kept until the end.
struct scope {
  scope* outer = nullptr;
  std::vector<std::pair<std::string_view, value>> names;
  bool kept = false;
};

/// A macro or the body of a call block, with the names that it sees.
struct macro {
  const node* definition;
  scope* outer;

  std::string_view name() const {
    return definition->kind == node_kind::definition ? std::string_view(definition->name) : "caller";
  }
  std::span<const node> parameters() const {
    return std::span(definition->parts).subspan(definition->kind == node_kind::definition ? 0 : 1);
  }
};

struct arguments {
  std::vector<value> list;
  std::vector<std::pair<std::string, value>> named;
};

/// The arguments in the order of the parameters. Those that were not given are null.
using bound_arguments = std::array<const value*, 6>;

class machine {
 public:
  machine(const limits& most, const std::tm* now) : left_(most), now_(now) {}
  machine(const machine&) = delete;
  machine& operator=(const machine&) = delete;

  // Errors and limits. After the first error nothing that is computed counts, and everything ends soon.
  bool failed() const { return static_cast<bool>(error_); }
  const std::string& error() const { return error_.what; }
  value refuse(const std::string& what) {
    error_.report(line_, what);
    return {};
  }
  bool spend(std::size_t steps, std::size_t bytes = 0) {
    if (failed()) return false;
    if (steps > left_.steps) return refuse("the template takes too many steps"), false;
    if (bytes > left_.bytes) return refuse("the template makes too much text"), false;
    left_.steps -= steps;
    left_.bytes -= bytes;
    return true;
  }
  /// Searches take up to the product of both lengths.
  bool spend_search(std::size_t text, std::size_t wanted) {
    return spend(1 + (wanted > text ? 0 : text / 64 * (1 + wanted / 64)));
  }

  // Values.
  value text(std::string characters) {
    return spend(1, characters.size() + 32) ? value(std::move(characters)) : value();
  }
  value text(std::string_view characters, bool safe) {
    if (!spend(1, characters.size() + 32)) return {};
    return string{std::make_shared<const std::string>(characters), safe};
  }
  value list(std::vector<value> items, sequence::form kind = sequence::form::list);
  value mapping(std::vector<std::pair<value, value>> items);
  value unknown(std::string what) {
    return spend(1, what.size() + 32) ? value(undefined{std::make_shared<const std::string>(std::move(what))})
                                      : value();
  }
  value refuse_undefined(const value& v) {
    const auto* missing = v.as<undefined>();
    return refuse((missing->what ? *missing->what : "a value") + " is undefined");
  }

  // As Python prints and compares.
  void print(std::string& out, const value& v, bool quote = false);
  std::string printed(const value& v) {
    std::string result;
    print(result, v);
    return result;
  }
  bool equal(const value& a, const value& b);
  bool less(const value& a, const value& b);
  bool contains(const value& container, const value& item);
  const value* find(const dictionary& map, const value& key);
  std::vector<value> items_of(const value& v);

  // Programs.
  value evaluate(const node& n);
  value call(const value& callee, arguments& given);
  value attribute(const value& object, const std::string& name);
  value item(const value& object, const value& key);
  value add(const value& a, const value& b);
  value filter(std::string_view name, const value& subject, arguments& given);
  bool test(std::string_view name, const value& subject, arguments& given);
  value call_builtin(std::string_view name, arguments& given);
  value call_method(const method& bound, arguments& given);
  /// What the statements print.
  std::string run_all(const std::vector<node>& statements);

  /// `parameters` are names with spaces in between, or numbers for those that cannot be given by name. `who` is for
  /// errors: "filter 'join'".
  bool bind(const std::string& who, std::string_view parameters, const arguments& given, bound_arguments& bound);

  void define(std::string_view name, value v) { scope_->names.emplace_back(name, std::move(v)); }
  const std::tm* now() const { return now_; }

 private:
  enum class flow : unsigned char { on, leave, next };

  value compute(const node& n);
  value lookup(const std::string& name);
  value call_node(const node& n);
  value slice(const node& n);
  value compute_binary(const node& n);
  value arithmetic(char operation, std::int64_t a, std::int64_t b);
  value repeated(const value& what, std::int64_t times);
  value compare(const node& n);
  value call_macro(const macro& m, arguments& given);
  value loop_attribute(const loop_body& around, const std::string& name);
  void collect(const node& n, std::size_t first, arguments& given);
  flow run(const std::vector<node>& statements);
  flow run_one(const node& n);
  flow run_loop(const node& n);
  void assign(const node& target, value v);
  std::string captured(const std::vector<node>& body);
  void enter(scope* outer);
  void leave();
  void set(const std::string& name, value v);

  trouble error_;
  limits left_;
  const std::tm* now_;
  std::size_t line_ = 1, nested_ = 0;
  std::deque<std::vector<std::pair<std::string, value>>> spaces_;
  std::deque<macro> macros_;
  std::deque<scope> scopes_;
  std::vector<scope*> free_;
  std::deque<scope> globals_ = std::deque<scope>(1);
  scope* scope_ = &globals_.front();
  std::string* out_ = nullptr;
  friend value make_name_space(machine& m, arguments& given);
};

inline value machine::list(std::vector<value> items, sequence::form kind) {
  const std::size_t depth = depth_of(items);
  if (depth > deepest_value) return refuse("a value is nested more than " + zoft::text(deepest_value) + " deep");
  if (!spend(1, (items.size() + 2) * sizeof(value))) return {};
  return sequence{kind, std::make_shared<sequence_body>(sequence_body{std::move(items), depth, 0})};
}

/// A later value of a key replaces an earlier one.
inline value machine::mapping(std::vector<std::pair<value, value>> items) {
  auto body = std::make_shared<dictionary_body>();
  for (auto& [key, item] : items) {
    if (!can_be_key(key)) return refuse(std::string(type_of(key)) + " cannot be a key");
    body->depth = std::max({body->depth, depth_of(key) + 1, depth_of(item) + 1});
    bool known = false;
    for (auto& [old, place] : body->items)
      if (equal(old, key)) {
        place = item;
        known = true;
        break;
      }
    if (!known) body->items.emplace_back(key, item);
    if (failed()) return {};
  }
  if (body->depth > deepest_value) return refuse("a value is nested more than " + zoft::text(deepest_value) + " deep");
  if (!spend(1, (items.size() + 2) * 2 * sizeof(value))) return {};
  return dictionary{std::move(body)};
}

/// str(v), or repr(v) with `quote`.
inline void machine::print(std::string& out, const value& v, bool quote) {
  const std::size_t before = out.size();
  std::int64_t room = 0;
  if (const auto* characters = v.text()) {
    if (!quote)
      out += *characters;
    else if (spend(characters->size() / 16))
      out += v.as<string>()->safe ? "Markup(" + python_quoted(*characters) + ")" : python_quoted(*characters);
  } else if (const auto* truth = v.as<bool>()) {
    out += *truth ? "True" : "False";
  } else if (const auto* number = whole(v, room)) {
    out += zoft::text(*number);
  } else if (const auto* real = v.as<double>()) {
    out += number_text(*real);
  } else if (v.is<none>()) {
    out += "None";
  } else if (v.is<undefined>()) {
    if (quote) out += "Undefined";
  } else if (const auto* map = v.as<dictionary>()) {
    out += '{';
    for (const auto& [key, item] : map->body->items) {
      if (out.size() > before + 1) out += ", ";
      print(out, key, true);
      out += ": ";
      print(out, item, true);
      if (failed()) return;
    }
    out += '}';
  } else if (const auto* items = v.as<sequence>(); items != nullptr && items->kind <= sequence::form::tuple) {
    const bool tuple = items->kind == sequence::form::tuple;
    out += tuple ? '(' : '[';
    for (const value& item : items->body->items) {
      if (out.size() > before + 1) out += ", ";
      print(out, item, true);
      if (failed()) return;
    }
    if (tuple && items->body->items.size() == 1) out += ',';
    out += tuple ? ')' : ']';
  } else {
    refuse("printing " + std::string(type_of(v)) + " is not known");
  }
  // What a container holds is counted once more in it. That is at most deepest_value times.
  spend(1, out.size() - before);
}

inline bool machine::equal(const value& a, const value& b) {
  if (!spend(1)) return false;
  if (is_number(a) && is_number(b)) {
    std::int64_t x = 0, y = 0;
    const auto *left = whole(a, x), *right = whole(b, y);
    return left != nullptr && right != nullptr ? *left == *right : real_of(a) == real_of(b);
  }
  if (const auto* left = a.text(), *right = b.text(); left != nullptr && right != nullptr)
    return spend(left->size() / 64) && *left == *right;
  if (const auto* left = a.as<sequence>(), *right = b.as<sequence>(); left != nullptr && right != nullptr) {
    if (left->body == right->body) return true;
    if (left->kind != right->kind || left->kind > sequence::form::range) return false;
    if (left->body->items.size() != right->body->items.size()) return false;
    for (std::size_t i = 0; i < left->body->items.size(); ++i)
      if (!equal(left->body->items[i], right->body->items[i])) return false;
    return true;
  }
  if (const auto* left = a.as<dictionary>(), *right = b.as<dictionary>(); left != nullptr && right != nullptr) {
    if (left->body->items.size() != right->body->items.size()) return false;
    for (const auto& [key, item] : left->body->items) {
      const value* other = find(*right, key);
      if (other == nullptr || !equal(item, *other)) return false;
    }
    return true;
  }
  if (const auto* left = a.as<name_space>(), *right = b.as<name_space>(); left != nullptr && right != nullptr)
    return left->attributes == right->attributes;
  if (const auto* left = a.as<const macro*>(), *right = b.as<const macro*>(); left != nullptr && right != nullptr)
    return *left == *right;
  return (a.is<none>() && b.is<none>()) || (a.is<undefined>() && b.is<undefined>());
}

inline bool machine::less(const value& a, const value& b) {
  if (!spend(1)) return false;
  if (is_number(a) && is_number(b)) {
    std::int64_t x = 0, y = 0;
    const auto *left = whole(a, x), *right = whole(b, y);
    return left != nullptr && right != nullptr ? *left < *right : real_of(a) < real_of(b);
  }
  if (const auto* left = a.text(), *right = b.text(); left != nullptr && right != nullptr)
    return spend(left->size() / 64) && *left < *right;  // bytes of UTF-8 are in the order of code points
  const auto *left = a.as<sequence>(), *right = b.as<sequence>();
  if (left != nullptr && right != nullptr && left->kind == right->kind && left->kind <= sequence::form::tuple) {
    const auto &x = left->body->items, &y = right->body->items;
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i)
      if (!equal(x[i], y[i])) return less(x[i], y[i]);
    return x.size() < y.size();
  }
  if (a.is<undefined>() || b.is<undefined>()) refuse_undefined(a.is<undefined>() ? a : b);
  refuse(std::string(type_of(a)) + " and " + std::string(type_of(b)) + " have no order");
  return false;
}

inline const value* machine::find(const dictionary& map, const value& key) {
  for (const auto& [name, item] : map.body->items)
    if (equal(name, key)) return &item;
  return nullptr;
}

/// item in container
inline bool machine::contains(const value& container, const value& item) {
  if (const auto* characters = container.text()) {
    const auto* wanted = item.text();
    if (wanted == nullptr) return refuse("text can hold text only, and not " + std::string(type_of(item))), false;
    return spend_search(characters->size(), wanted->size()) && characters->find(*wanted) != std::string::npos;
  }
  if (const auto* map = container.as<dictionary>()) {
    if (!can_be_key(item)) return refuse(std::string(type_of(item)) + " cannot be a key"), false;
    return find(*map, item) != nullptr;
  }
  for (const value& one : items_of(container))
    if (equal(one, item)) return true;
  return false;
}

/// What a loop over v goes through.
inline std::vector<value> machine::items_of(const value& v) {
  std::vector<value> result;
  if (const auto* items = v.as<sequence>()) {
    sequence_body& body = *items->body;
    if (!spend(1 + body.items.size(), body.items.size() * sizeof(value))) return result;
    result.assign(body.items.begin() + static_cast<std::ptrdiff_t>(body.taken), body.items.end());
    if (items->kind == sequence::form::generator) body.taken = body.items.size();
  } else if (const auto* characters = v.text()) {
    for (std::size_t at = 0; at < characters->size() && spend(1, sizeof(value));) {
      const std::size_t length = character_at(*characters, at).length;
      result.push_back(text(characters->substr(at, length)));
      at += length;
    }
  } else if (const auto* map = v.as<dictionary>()) {
    if (!spend(1 + map->body->items.size(), map->body->items.size() * sizeof(value))) return result;
    for (const auto& [key, item] : map->body->items) result.push_back(key);
  } else if (!v.is<undefined>()) {
    refuse(std::string(type_of(v)) + " has no items");
  }
  return result;
}

inline bool machine::bind(const std::string& who, std::string_view parameters, const arguments& given,
                          bound_arguments& bound) {
  bound.fill(nullptr);
  std::size_t count = 0;
  for (std::string_view rest = parameters; !rest.empty(); ++count) {
    const std::string_view name = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (count < given.list.size()) bound[count] = &given.list[count];
    for (const auto& [key, argument] : given.named)
      if (key == name) bound[count] = &argument;
  }
  if (given.list.size() > count)
    return refuse(who + " takes " + zoft::text(count) + " arguments here, and not " + zoft::text(given.list.size())),
           false;
  for (const auto& [key, argument] : given.named)
    if ((" " + std::string(parameters) + " ").find(" " + key + " ") == std::string::npos)
      return refuse("argument '" + printable(key, 40) + "' of " + who + " is not known"), false;
  return !failed();
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
