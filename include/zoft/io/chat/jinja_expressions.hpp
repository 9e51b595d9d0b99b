/// Evaluates the expressions of a Jinja template as jinja2's ImmutableSandboxedEnvironment does.
#pragma once

#include <algorithm>
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
#include "jinja_functions.hpp"
#include "jinja_machine.hpp"
#include "jinja_methods.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

inline value machine::evaluate(const node& n) {
  if (n.kind == node_kind::constant) return n.constant;
  if (!spend(1)) return {};
  const std::size_t outside = std::exchange(line_, n.line);
  value result;
  if (++nested_ > left_.nested)
    refuse("the template calls itself too deep");
  else
    result = compute(n);
  --nested_;
  if (!failed()) line_ = outside;
  return result;
}

inline value machine::compute(const node& n) {
  const auto all = [&] {
    std::vector<value> items;
    for (const node& part : n.parts) items.push_back(evaluate(part));
    return items;
  };
  switch (n.kind) {
    case node_kind::name:
      return lookup(n.name);
    case node_kind::list:
      return list(all());
    case node_kind::tuple:
      return list(all(), sequence::form::tuple);
    case node_kind::mapping: {
      std::vector<std::pair<value, value>> items;
      for (std::size_t i = 0; i + 1 < n.parts.size(); i += 2) {
        value key = evaluate(n.parts[i]);
        items.emplace_back(std::move(key), evaluate(n.parts[i + 1]));
      }
      return mapping(std::move(items));
    }
    case node_kind::attribute:
      return attribute(evaluate(n.parts[0]), n.name);
    case node_kind::item: {
      const value object = evaluate(n.parts[0]);
      return item(object, evaluate(n.parts[1]));
    }
    case node_kind::slice:
      return slice(n);
    case node_kind::call:
      return call_node(n);
    case node_kind::filter: {
      const value subject = evaluate(n.parts[0]);
      arguments given;
      collect(n, 1, given);
      return failed() ? value() : filter(n.name, subject, given);
    }
    case node_kind::test: {
      const value subject = evaluate(n.parts[0]);
      arguments given;
      collect(n, 1, given);
      return !failed() && test(n.name, subject, given);
    }
    case node_kind::negation:
      return !truth_of(evaluate(n.parts[0]));
    case node_kind::negative:
    case node_kind::positive: {
      const value operand = evaluate(n.parts[0]);
      const bool minus = n.kind == node_kind::negative;
      std::int64_t room = 0;
      if (const auto* real = operand.as<double>()) return minus ? -*real : *real;
      if (const auto* number = whole(operand, room)) return minus ? arithmetic('-', 0, *number) : value(*number);
      return operand.is<undefined>() ? refuse_undefined(operand)
                                     : refuse(std::string(type_of(operand)) + " has no sign");
    }
    case node_kind::conjunction:
    case node_kind::disjunction: {
      value left = evaluate(n.parts[0]);
      return truth_of(left) == (n.kind == node_kind::conjunction) ? evaluate(n.parts[1]) : left;
    }
    case node_kind::conditional:
      if (truth_of(evaluate(n.parts[0]))) return evaluate(n.parts[1]);
      if (n.parts[2].kind != node_kind::absent) return evaluate(n.parts[2]);
      return unknown("an 'if' without 'else'");
    case node_kind::joined: {
      std::string result;
      for (const node& part : n.parts) print(result, evaluate(part));
      return text(std::move(result));
    }
    case node_kind::binary:
      return compute_binary(n);
    case node_kind::comparison:
      return compare(n);
    default:
      return refuse("this expression is not known");
  }
}

inline value machine::lookup(const std::string& name) {
  for (const scope* s = scope_; s != nullptr; s = s->outer)
    for (auto known = s->names.rbegin(); known != s->names.rend(); ++known)
      if (known->first == name) return known->second;
  if (const builtin* function = find_builtin(name)) return *function;
  return unknown("'" + printable(name, 60) + "'");
}

inline void machine::collect(const node& n, std::size_t first, arguments& given) {
  for (std::size_t i = first; i < n.parts.size(); ++i)
    if (n.parts[i].kind == node_kind::named)
      given.named.emplace_back(n.parts[i].name, evaluate(n.parts[i].parts[0]));
    else
      given.list.push_back(evaluate(n.parts[i]));
}

inline value machine::call_node(const node& n) {
  const value callee = evaluate(n.parts[0]);
  arguments given;
  collect(n, 1, given);
  return failed() ? value() : call(callee, given);
}

inline value machine::call(const value& callee, arguments& given) {
  if (const auto* m = callee.as<const macro*>()) return call_macro(**m, given);
  if (const auto* bound = callee.as<method>()) return call_method(*bound, given);
  if (const auto* function = callee.as<builtin>()) return call_builtin(function->name, given);
  if (callee.is<undefined>()) return refuse_undefined(callee);
  return refuse(std::string(type_of(callee)) + " cannot be called");
}

/// object.name: what Python has under that name, or the value of that key.
inline value machine::attribute(const value& object, const std::string& name) {
  if (object.is<undefined>()) return refuse_undefined(object);
  if (name.starts_with("__")) return refuse("attribute '" + printable(name, 60) + "' is not known");
  if (has_method(object, name))
    return spend(1, 64) ? value(method{std::make_shared<const value>(object), name}) : value();
  if (const auto* map = object.as<dictionary>()) {
    for (const auto& [key, found] : map->body->items)
      if (const auto* characters = key.text(); characters != nullptr && spend(1) && *characters == name) return found;
  } else if (const auto* space = object.as<name_space>()) {
    for (const auto& [key, found] : *space->attributes)
      if (key == name) return found;
  } else if (const auto* around = object.as<loop>()) {
    return loop_attribute(*around->body, name);
  } else if (object.is<const macro*>()) {
    return refuse("attribute '" + printable(name, 60) + "' of a macro is not known");
  }
  return unknown("'" + printable(name, 60) + "' of " + std::string(type_of(object)));
}

/// object[key]: the item, or what Python has under that name.
inline value machine::item(const value& object, const value& key) {
  std::int64_t room = 0;
  const auto* index = whole(key, room);
  if (const auto* map = object.as<dictionary>()) {
    if (const value* found = find(*map, key)) return *found;
  } else if (const auto* items = object.as<sequence>(); items != nullptr && items->kind <= sequence::form::range) {
    const auto size = static_cast<std::int64_t>(items->body->items.size());
    if (index != nullptr && *index >= -size && *index < size)
      return items->body->items[static_cast<std::size_t>(*index < 0 ? *index + size : *index)];
  } else if (const auto* characters = object.text(); characters != nullptr && index != nullptr) {
    if (!spend(characters->size() / 64)) return {};
    const auto size = static_cast<std::int64_t>(length_of(*characters));
    if (*index >= -size && *index < size) {
      std::size_t at = 0;
      for (auto left = *index < 0 ? *index + size : *index; left > 0; --left)
        at += character_at(*characters, at).length;
      return text(std::string_view(*characters).substr(at, character_at(*characters, at).length),
                  object.as<string>()->safe);
    }
  } else if (object.is<undefined>()) {
    return refuse_undefined(object);
  }
  if (const auto* name = key.text(); name != nullptr && !object.is<dictionary>()) return attribute(object, *name);
  if (const auto* name = key.text(); name != nullptr && has_method(object, *name))
    return spend(1, 64) ? value(method{std::make_shared<const value>(object), *name}) : value();
  return unknown(key.text() != nullptr ? "'" + printable(*key.text(), 60) + "'"
                                       : "an item of " + std::string(type_of(object)));
}

/// object[first:last:step], as Python takes it.
inline value machine::slice(const node& n) {
  const value object = evaluate(n.parts[0]);
  if (object.is<undefined>()) return refuse_undefined(object);
  std::array<std::optional<std::int64_t>, 3> given;
  bool usable = true;
  for (std::size_t i = 0; i < 3; ++i) {
    if (n.parts[i + 1].kind == node_kind::absent) continue;
    const value bound = evaluate(n.parts[i + 1]);
    std::int64_t room = 0;
    if (const auto* number = whole(bound, room))
      given[i] = *number;
    else
      usable = usable && bound.is<none>();
  }
  const auto* items = object.as<sequence>();
  const auto* characters = object.text();
  if (!usable || (characters == nullptr && (items == nullptr || items->kind > sequence::form::range)))
    return refuse("a part of " + std::string(type_of(object)) + " by these bounds is not known");
  const std::int64_t step = given[2].value_or(1);
  if (step == 0) return refuse("the step of a slice is 0");
  std::vector<std::size_t> starts;  // where the characters begin
  if (characters != nullptr) {
    if (!spend(characters->size() / 16, characters->size())) return {};
    for (std::size_t at = 0; at < characters->size(); at += character_at(*characters, at).length) starts.push_back(at);
  }
  const auto size = static_cast<std::int64_t>(characters != nullptr ? starts.size() : items->body->items.size());
  const auto limited = [&](std::optional<std::int64_t> bound, std::int64_t absent) {
    if (!bound) return absent;
    const std::int64_t from_start = *bound < 0 ? std::max<std::int64_t>(*bound, -size - 1) + size : *bound;
    return std::clamp<std::int64_t>(from_start, step < 0 ? -1 : 0, step < 0 ? size - 1 : size);
  };
  const std::int64_t first = limited(given[0], step < 0 ? size - 1 : 0), last = limited(given[1], step < 0 ? -1 : size);
  std::string part;
  std::vector<value> taken;
  for (std::int64_t i = first; step > 0 ? i < last : i > last;) {
    const auto at = static_cast<std::size_t>(i);
    if (characters != nullptr)
      part.append(*characters, starts[at], character_at(*characters, starts[at]).length);
    else
      taken.push_back(items->body->items[at]);
    if (step > 0 ? step >= last - i : step <= last - i) break;
    i += step;
  }
  return characters != nullptr ? text(part, object.as<string>()->safe) : list(std::move(taken), items->kind);
}

inline value machine::add(const value& a, const value& b) {
  const auto *left = a.as<string>(), *right = b.as<string>();
  if (left != nullptr && right != nullptr) {
    if (left->safe == right->safe) {
      if (!spend(1, left->text->size() + right->text->size() + 32)) return {};
      return string{std::make_shared<const std::string>(*left->text + *right->text), left->safe};
    }
    if (!spend(1, 6 * (left->safe ? right : left)->text->size())) return {};
    return text(
        (left->safe ? *left->text : escaped(*left->text)) + (right->safe ? *right->text : escaped(*right->text)), true);
  }
  const auto *x = a.as<sequence>(), *y = b.as<sequence>();
  if (x != nullptr && y != nullptr && x->kind == y->kind && x->kind <= sequence::form::tuple) {
    std::vector<value> items = items_of(a);
    for (value& more : items_of(b)) items.push_back(std::move(more));
    return list(std::move(items), x->kind);
  }
  return refuse("'+' of " + std::string(type_of(a)) + " and " + std::string(type_of(b)) + " is not known");
}

inline value machine::repeated(const value& what, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  const auto* items = what.as<sequence>();
  const std::size_t size = items == nullptr ? what.text()->size() : items->body->items.size() * sizeof(value);
  if (size > 0 && count > left_.bytes / size) return refuse("the template makes too much text");
  if (!spend(1 + count, size * count)) return {};
  if (items == nullptr) {
    std::string result;
    result.reserve(size * count);
    for (std::size_t i = 0; i < count; ++i) result += *what.text();
    return text(result, what.as<string>()->safe);
  }
  std::vector<value> all;
  for (std::size_t i = 0; i < count; ++i) all.insert(all.end(), items->body->items.begin(), items->body->items.end());
  return list(std::move(all), items->kind);
}

/// Python's whole numbers have no bounds. Those here have, and what does not fit is refused.
inline value machine::arithmetic(char operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  switch (operation) {
    case '+':
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case '-':
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case '*':
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case '/':
    case '%':
      if (b == 0) return refuse("a number is divided by 0");
      if (b == -1) return operation == '%' ? value(std::int64_t{0}) : arithmetic('-', 0, a);
      result = operation == '/' ? a / b : a % b;
      if (a % b != 0 && (a < 0) != (b < 0)) result += operation == '/' ? -1 : b;  // towards minus infinity
      break;
    default:  // a ** b
      if (b < 0 && a == 0) return refuse("a number is divided by 0");
      if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
      result = 1;
      for (; b > 0 && !overflow; --b) {
        if (a == 0 || a == 1) return a;
        if (a == -1) return b % 2 == 0 ? std::int64_t{1} : a;
        overflow = __builtin_mul_overflow(result, a, &result);
      }
  }
  return overflow ? refuse("a number is too large") : value(result);
}

inline value machine::compute_binary(const node& n) {
  const value a = evaluate(n.parts[0]), b = evaluate(n.parts[1]);
  if (failed()) return {};
  if (a.is<undefined>() || b.is<undefined>()) return refuse_undefined(a.is<undefined>() ? a : b);
  const std::string& name = n.name;
  if (!is_number(a) || !is_number(b)) {
    std::int64_t room = 0;
    const auto repeats = [](const value& v) {
      return v.text() != nullptr || (v.is<sequence>() && v.as<sequence>()->kind <= sequence::form::tuple);
    };
    if (name == "+") return add(a, b);
    if (name == "%" && a.text() != nullptr && !a.as<string>()->safe) return formatted(*this, *a.text(), b);
    if (name == "*" && repeats(a) && whole(b, room) != nullptr) return repeated(a, *whole(b, room));
    if (name == "*" && repeats(b) && whole(a, room) != nullptr) return repeated(b, *whole(a, room));
    return refuse("'" + name + "' of " + std::string(type_of(a)) + " and " + std::string(type_of(b)) + " is not known");
  }
  std::int64_t room[2];
  const auto *x = whole(a, room[0]), *y = whole(b, room[1]);
  if (x != nullptr && y != nullptr && name != "/")
    return arithmetic(name == "**" ? '^' : name == "//" ? '/' : name[0], *x, *y);
  const double left = real_of(a), right = real_of(b);
  if (name == "+") return left + right;
  if (name == "-") return left - right;
  if (name == "*") return left * right;
  if (name == "**")
    return left < 0 && right != std::floor(right) ? refuse("'**' of these numbers is not known")
                                                  : value(std::pow(left, right));
  if (right == 0) return refuse("a number is divided by 0");
  if (name == "/") return left / right;
  double rest = std::fmod(left, right);
  if (rest != 0 && (rest < 0) != (right < 0)) rest += right;
  if (name == "%") return rest == 0 ? std::copysign(0.0, right) : rest;
  return std::round((left - rest) / right);
}

/// a < b < c holds if a < b and b < c do.
inline value machine::compare(const node& n) {
  value left = evaluate(n.parts[0]);
  for (std::size_t i = 1; i < n.parts.size(); ++i) {
    const std::string& name = n.parts[i].name;
    value right = evaluate(n.parts[i].parts[0]);
    if (failed()) return {};
    const bool holds = name == "=="   ? equal(left, right)
                       : name == "!=" ? !equal(left, right)
                       : name == "<"  ? less(left, right)
                       : name == ">"  ? less(right, left)
                       : name == "<=" ? less(left, right) || equal(left, right)
                       : name == ">=" ? less(right, left) || equal(left, right)
                       : name == "in" ? contains(right, left)
                                      : !contains(right, left);
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
