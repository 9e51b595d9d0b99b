/// Runs the statements of a Jinja template: names and scopes, loops, macros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "jinja_expressions.hpp"
#include "jinja_machine.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

inline std::string machine::run_all(const std::vector<node>& statements) {
  std::string result;
  out_ = &result;
  enter(scope_);
  run(statements);
  leave();
  out_ = nullptr;
  return result;
}

inline void machine::enter(scope* outer) {
  scope* fresh = nullptr;
  if (!free_.empty()) {
    fresh = free_.back();
    free_.pop_back();
  } else {
    spend(0, sizeof(scope));
    fresh = &scopes_.emplace_back();
  }
  fresh->outer = outer;
  scope_ = fresh;
}

/// Back to the scope around the current one, which is used again unless a macro sees it.
inline void machine::leave() {
  scope* const old = scope_;
  scope_ = old->outer;
  if (old->kept) return;
  old->names.clear();
  free_.push_back(old);
}

inline void machine::set(const std::string& name, value v) {
  for (auto& [known, place] : scope_->names)
    if (known == name) {
      place = std::move(v);
      return;
    }
  define(name, std::move(v));
}

inline void machine::assign(const node& target, value v) {
  if (failed()) return;
  if (target.kind == node_kind::name) return set(target.name, std::move(v));
  if (target.kind == node_kind::attribute) {
    const value object = lookup(target.parts[0].name);
    const auto* space = object.as<name_space>();
    if (space == nullptr) return refuse("'" + target.parts[0].name + "' is no namespace"), void();
    if (target.name.starts_with('_')) return refuse("'" + target.name + "' cannot be set on a namespace"), void();
    for (auto& [key, place] : *space->attributes)
      if (spend(1) && key == target.name) {
        place = std::move(v);
        return;
      }
    if (spend(1, 64)) space->attributes->emplace_back(target.name, std::move(v));
    return;
  }
  std::vector<value> items = items_of(v);
  if (v.is<undefined>()) refuse_undefined(v);
  if (items.size() != target.parts.size())
    refuse(zoft::text(target.parts.size()) + " names are given " + zoft::text(items.size()) + " values");
  for (std::size_t i = 0; i < items.size() && !failed(); ++i) assign(target.parts[i], std::move(items[i]));
}

/// What the body prints, with names of its own.
inline std::string machine::captured(const std::vector<node>& body) {
  std::string result;
  std::string* const outside = std::exchange(out_, &result);
  enter(scope_);
  run(body);
  leave();
  out_ = outside;
  return result;
}

inline machine::flow machine::run(const std::vector<node>& statements) {
  flow result = flow::on;
  if (++nested_ > left_.nested) refuse("the template calls itself too deep");
  for (std::size_t i = 0; i < statements.size() && result == flow::on && !failed(); ++i) {
    line_ = statements[i].line;
    if (spend(1)) result = run_one(statements[i]);
  }
  --nested_;
  return failed() ? flow::leave : result;
}

inline machine::flow machine::run_one(const node& n) {
  switch (n.kind) {
    case node_kind::text:
      if (spend(0, n.constant.text()->size())) *out_ += *n.constant.text();
      break;
    case node_kind::output: {
      const value v = evaluate(n.parts[0]);
      if (!failed()) print(*out_, v);
      break;
    }
    case node_kind::branch: {
      const bool holds = truth_of(evaluate(n.parts[0]));
      return failed() ? flow::leave : run(holds ? n.body : n.other);
    }
    case node_kind::repeat:
      return run_loop(n);
    case node_kind::assign:
      assign(n.parts[0], evaluate(n.parts[1]));
      break;
    case node_kind::capture:
    case node_kind::filter_block: {
      value result = text(captured(n.body));
      const node& filters = n.parts.back();
      if (filters.kind != node_kind::absent) {
        enter(scope_);
        define(captured_name, std::move(result));
        result = evaluate(filters);
        leave();
      }
      if (n.kind == node_kind::capture)
        assign(n.parts[0], std::move(result));
      else if (result.text() == nullptr)
        refuse("the filters of a block give " + std::string(type_of(result)) + ", and not text");
      else
        print(*out_, result);
      break;
    }
    case node_kind::definition:
    case node_kind::call_block: {
      for (scope* s = scope_; s != nullptr; s = s->outer) s->kept = true;
      if (!spend(1, sizeof(macro))) break;
      const macro* const made = &macros_.emplace_back(macro{&n, scope_});
      if (n.kind == node_kind::definition) {
        set(n.name, made);
        break;
      }
      const value callee = evaluate(n.parts[0].parts[0]);
      arguments given;
      collect(n.parts[0], 1, given);
      given.named.emplace_back("caller", made);
      const value result = failed() ? value() : call(callee, given);
      if (!failed()) print(*out_, result);
      break;
    }
    case node_kind::with_block: {
      std::vector<value> values;
      for (std::size_t i = 1; i < n.parts.size(); i += 2) values.push_back(evaluate(n.parts[i]));
      enter(scope_);
      for (std::size_t i = 0; i < values.size(); ++i) assign(n.parts[2 * i], std::move(values[i]));
      const flow result = run(n.body);
      leave();
      return result;
    }
    case node_kind::group: {
      const std::string printed = captured(n.body);
      if (spend(0, printed.size())) *out_ += printed;
      break;
    }
    case node_kind::leave:
      return flow::leave;
    case node_kind::next:
      return flow::next;
    default:
      refuse("this statement is not known");
  }
  return failed() ? flow::leave : flow::on;
}

inline machine::flow machine::run_loop(const node& n) {
  const value iterated = evaluate(n.parts[1]);
  std::vector<value> items = items_of(iterated);
  if (n.parts[2].kind != node_kind::absent) {
    std::vector<value> kept;
    for (value& item : items) {
      enter(scope_);
      assign(n.parts[0], item);
      const bool holds = truth_of(evaluate(n.parts[2]));
      leave();
      if (failed()) return flow::leave;
      if (holds) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  if (failed()) return flow::leave;
  const auto body = std::make_shared<loop_body>();
  body->depth = depth_of(items);
  body->items = std::move(items);
  flow result = flow::on;
  bool left = false, finished = false;  // finished: an iteration came to the end of its body
  for (; body->index < body->items.size() && !left && !failed(); ++body->index) {
    enter(scope_);
    define("loop", loop{body});
    assign(n.parts[0], body->items[body->index]);
    const flow ended = run(n.body);
    left = ended == flow::leave;
    finished = finished || ended == flow::on;
    leave();
  }
  if (!finished && !failed()) {  // as in jinja2, also where every iteration was cut short
    enter(scope_);
    result = run(n.other);
    leave();
  }
  return failed() ? flow::leave : result;
}

inline value machine::loop_attribute(const loop_body& around, const std::string& name) {
  const auto number = [](std::size_t n) { return value(static_cast<std::int64_t>(n)); };
  const std::size_t size = around.items.size(), at = around.index;
  if (name == "index") return number(at + 1);
  if (name == "index0") return number(at);
  if (name == "first") return at == 0;
  if (name == "last") return at + 1 == size;
  if (name == "length") return number(size);
  if (name == "revindex") return number(size - at);
  if (name == "revindex0") return number(size - at - 1);
  if (name == "depth") return number(1);  // it counts recursive loops, which are not known
  if (name == "depth0") return number(0);
  if (name == "previtem") return at > 0 ? around.items[at - 1] : unknown("the item before the first");
  if (name == "nextitem") return at + 1 < size ? around.items[at + 1] : unknown("the item after the last");
  return refuse("'loop." + printable(name, 40) + "' is not known");
}

/// A macro sees its arguments and the names where it is defined, not those where it is called.
inline value machine::call_macro(const macro& m, arguments& given) {
  const auto parameters = m.parameters();
  const std::string who = "macro '" + std::string(m.name()) + "'";
  if (given.list.size() > parameters.size())
    return refuse(who + " takes " + zoft::text(parameters.size()) + " arguments, and not " +
                  zoft::text(given.list.size()));
  std::string result;
  std::string* const outside = std::exchange(out_, &result);
  scope* const caller = scope_;
  const std::size_t line = line_;
  enter(m.outer);
  for (auto& [key, argument] : given.named) {
    bool known = key == "caller";
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (parameters[i].name == key) known = i >= given.list.size();
    if (!known) refuse("argument '" + printable(key, 40) + "' of " + who + " is not known");
    if (key == "caller") define("caller", argument);
  }
  for (std::size_t i = 0; i < parameters.size() && !failed(); ++i) {
    value v;
    bool found = i < given.list.size();
    if (found) v = given.list[i];
    for (auto& [key, argument] : given.named)
      if (!found && key == parameters[i].name) v = argument, found = true;
    if (!found)
      v = parameters[i].parts.empty() ? unknown("argument '" + parameters[i].name + "'")
                                      : evaluate(parameters[i].parts[0]);
    define(parameters[i].name, std::move(v));
  }
  run(m.definition->body);
  leave();
  scope_ = caller;
  out_ = outside;
  if (!failed()) line_ = line;
  return text(std::move(result));
}

}  // namespace zoft::inline ZOFT_ISA::io::jinja
