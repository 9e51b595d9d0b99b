/// Parses the expressions of a Jinja template. Each function is a rule of jinja2's grammar, loosest first.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "jinja_lexer.hpp"
#include "jinja_syntax.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

class expression_parser {
 public:
  expression_parser(std::vector<token> tokens, trouble& error) : tokens_(std::move(tokens)), error_(error) {}

 protected:
  const token& current() const { return tokens_[at_]; }
  const token& following() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }

  /// The current token; the one after it becomes current.
  const token& take() {
    const token& taken = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return taken;
  }

  static bool is(const token& t, token_kind kind, std::string_view text) { return t.kind == kind && t.text == text; }
  bool at_symbol(std::string_view text) const { return is(current(), token_kind::symbol, text); }
  bool at_name(std::string_view text) const { return is(current(), token_kind::name, text); }
  bool skip_symbol(std::string_view text) { return at_symbol(text) && (take(), true); }
  bool skip_name(std::string_view text) { return at_name(text) && (take(), true); }

  static std::string shown(const token& t) {
    switch (t.kind) {
      case token_kind::data:
        return "text";
      case token_kind::variable_begin:
        return "'{{'";
      case token_kind::variable_end:
        return "'}}'";
      case token_kind::block_begin:
        return "'{%'";
      case token_kind::block_end:
        return "'%}'";
      case token_kind::end:
        return "the end of the template";
      default:
        return "'" + printable(t.text, 40) + "'";
    }
  }

  /// Reports, and goes to the end of the tokens, where every loop stops.
  void fail_here(const std::string& what) {
    error_.report(current().line, what);
    at_ = tokens_.size() - 1;
  }
  void unexpected(const std::string& wanted) { fail_here(shown(current()) + " stands where " + wanted + " must"); }

  void expect_symbol(std::string_view text) {
    if (!skip_symbol(text)) unexpected("'" + std::string(text) + "'");
  }
  std::string expect_name() {
    if (current().kind == token_kind::name) return take().text;
    unexpected("a name");
    return "";
  }

  node make(node_kind kind, std::size_t line, std::string name, std::vector<node> parts = {}) {
    node result;
    result.kind = kind;
    result.line = line;
    result.name = std::move(name);
    result.parts = std::move(parts);
    return closed(std::move(result));
  }
  template <class... Parts>
  node make_of(node_kind kind, std::size_t line, std::string name, Parts... parts) {
    std::vector<node> list;
    list.reserve(sizeof...(parts));
    (list.push_back(std::move(parts)), ...);
    return make(kind, line, std::move(name), std::move(list));
  }
  /// Sets the depth. Throws the node away if it is too deep, so that no deeper one is ever made.
  node closed(node n) {
    n.depth = depth_below(n);
    if (n.depth <= deepest_tree) return n;
    fail_here("is nested more than " + zoft::text(deepest_tree) + " deep");
    return {};
  }
  node constant(std::size_t line, value v) {
    node result = make(node_kind::constant, line, "");
    result.constant = std::move(v);
    return result;
  }

  /// Counts the rules that are being parsed within each other.
  class nesting {
   public:
    explicit nesting(expression_parser& parser) : parser_(parser) {
      if (++parser_.nested_ > deepest_tree)
        parser_.fail_here("is nested more than " + zoft::text(deepest_tree) + " deep");
    }
    nesting(const nesting&) = delete;
    nesting& operator=(const nesting&) = delete;
    ~nesting() { --parser_.nested_; }

   private:
    expression_parser& parser_;
  };

  node expression(bool conditional = true) {
    const nesting guard(*this);
    node result = disjunction();
    while (conditional && at_name("if")) {
      const std::size_t line = take().line;
      node condition = disjunction();
      node otherwise;
      if (skip_name("else")) otherwise = expression();
      result = make_of(node_kind::conditional, line, "", std::move(condition), std::move(result), std::move(otherwise));
    }
    return result;
  }

  node disjunction() {
    node left = conjunction();
    while (at_name("or")) {
      const std::size_t line = take().line;
      left = make_of(node_kind::disjunction, line, "", std::move(left), conjunction());
    }
    return left;
  }

  node conjunction() {
    node left = negation();
    while (at_name("and")) {
      const std::size_t line = take().line;
      left = make_of(node_kind::conjunction, line, "", std::move(left), negation());
    }
    return left;
  }

  node negation() {
    const nesting guard(*this);
    if (!at_name("not")) return comparison();
    const std::size_t line = take().line;
    return make_of(node_kind::negation, line, "", negation());
  }

  node comparison() {
    std::vector<node> parts;
    parts.push_back(sum());
    const std::size_t line = current().line;
    while (true) {
      std::string_view name;
      for (const std::string_view symbol : {"==", "!=", "<", "<=", ">", ">="})
        if (at_symbol(symbol)) name = symbol;
      if (at_name("in")) name = "in";
      if (at_name("not") && is(following(), token_kind::name, "in")) take(), name = "not in";
      if (name.empty()) break;
      const std::size_t here = take().line;
      parts.push_back(make_of(node_kind::part, here, std::string(name), sum()));
    }
    if (parts.size() == 1) return std::move(parts[0]);
    return make(node_kind::comparison, line, "", std::move(parts));
  }

  /// Operators of one rank, which bind to the left.
  template <class Operand>
  node binary(std::initializer_list<std::string_view> symbols, Operand operand) {
    node left = operand();
    while (true) {
      std::string_view name;
      for (const std::string_view symbol : symbols)
        if (at_symbol(symbol)) name = symbol;
      if (name.empty()) return left;
      const std::size_t line = take().line;
      left = make_of(node_kind::binary, line, std::string(name), std::move(left), operand());
    }
  }

  node sum() {
    return binary({"+", "-"}, [this] { return joined(); });
  }

  node joined() {
    std::vector<node> parts;
    const std::size_t line = current().line;
    do parts.push_back(product());
    while (skip_symbol("~"));
    if (parts.size() == 1) return std::move(parts[0]);
    return make(node_kind::joined, line, "", std::move(parts));
  }

  node product() {
    return binary({"*", "/", "//", "%"}, [this] { return binary({"**"}, [this] { return signed_value(true); }); });
  }

  node signed_value(bool with_filters) {
    const nesting guard(*this);
    node result;
    if (at_symbol("-") || at_symbol("+")) {
      const token& sign = take();
      result =
          make_of(sign.text == "-" ? node_kind::negative : node_kind::positive, sign.line, "", signed_value(false));
    } else {
      result = primary();
    }
    while (at_symbol(".") || at_symbol("[") || at_symbol("(")) result = postfix(std::move(result));
    while (with_filters) {
      if (at_symbol("|"))
        result = filter(std::move(result));
      else if (at_name("is"))
        result = test(std::move(result));
      else if (at_symbol("("))
        result = call(std::move(result));
      else
        break;
    }
    return result;
  }

  node primary() {
    const token& t = current();
    switch (t.kind) {
      case token_kind::name:
        take();
        if (t.text == "true" || t.text == "True") return constant(t.line, true);
        if (t.text == "false" || t.text == "False") return constant(t.line, false);
        if (t.text == "none" || t.text == "None") return constant(t.line, none{});
        return make(node_kind::name, t.line, t.text);
      case token_kind::string: {
        std::string text = take().text;
        while (current().kind == token_kind::string) text += take().text;
        return constant(t.line, std::move(text));
      }
      case token_kind::integer:
      case token_kind::real:
        return number(take());
      default:
        break;
    }
    if (skip_symbol("(")) {
      node result = expressions(true, {}, true);
      expect_symbol(")");
      return result;
    }
    if (at_symbol("[")) return list();
    if (at_symbol("{")) return mapping();
    unexpected("an expression");
    return {};
  }

  node number(const token& t) {
    const char* const end = t.text.data() + t.text.size();
    std::int64_t whole = 0;
    double real = 0;
    const auto read = t.kind == token_kind::integer ? std::from_chars(t.text.data(), end, whole)
                                                    : std::from_chars(t.text.data(), end, real);
    if (read.ec != std::errc() || read.ptr != end) fail_here("the number " + printable(t.text, 40) + " is too large");
    return t.kind == token_kind::integer ? constant(t.line, whole) : constant(t.line, real);
  }

  /// One expression, or a tuple if there are commas. `stop` are names that end it.
  node expressions(bool conditional, std::initializer_list<std::string_view> stop = {}, bool in_brackets = false) {
    const std::size_t line = current().line;
    std::vector<node> items;
    bool tuple = false;
    const auto ends = [&] {
      if (current().kind == token_kind::variable_end || current().kind == token_kind::block_end || at_symbol(")"))
        return true;
      for (const std::string_view name : stop)
        if (at_name(name)) return true;
      return false;
    };
    while (!ends()) {
      items.push_back(expression(conditional));
      if (!skip_symbol(",")) break;
      tuple = true;
    }
    if (!tuple && items.size() == 1) return std::move(items[0]);
    if (items.empty() && !in_brackets) unexpected("an expression");
    return make(node_kind::tuple, line, "", std::move(items));
  }

  node list() {
    const std::size_t line = take().line;
    std::vector<node> items;
    while (!at_symbol("]") && !error_) {
      items.push_back(expression());
      if (!skip_symbol(",")) break;
    }
    expect_symbol("]");
    return make(node_kind::list, line, "", std::move(items));
  }

  node mapping() {
    const std::size_t line = take().line;
    std::vector<node> items;
    while (!at_symbol("}") && !error_) {
      items.push_back(expression());
      expect_symbol(":");
      items.push_back(expression());
      if (!skip_symbol(",")) break;
    }
    expect_symbol("}");
    return make(node_kind::mapping, line, "", std::move(items));
  }

  node postfix(node object) {
    if (at_symbol("(")) return call(std::move(object));
    const std::size_t line = current().line;
    if (skip_symbol(".")) {
      if (current().kind == token_kind::integer)
        return make_of(node_kind::item, line, "", std::move(object), number(take()));
      return make_of(node_kind::attribute, line, expect_name(), std::move(object));
    }
    take();
    std::vector<node> parts;
    parts.push_back(std::move(object));
    bool slice = false;
    for (std::size_t i = 0; i < 3; ++i) {
      const bool left_out = at_symbol(":") || (i > 0 && at_symbol("]"));
      parts.push_back(left_out ? node{} : expression());
      if (i == 2 || !skip_symbol(":")) break;
      slice = true;
    }
    if (at_symbol(",")) fail_here("an item of several indices is not known");
    expect_symbol("]");
    if (slice) parts.resize(4);
    return make(slice ? node_kind::slice : node_kind::item, line, "", std::move(parts));
  }

  void arguments(std::vector<node>& parts) {
    expect_symbol("(");
    bool names = false;
    while (!at_symbol(")") && !error_) {
      if (at_symbol("*") || at_symbol("**")) return fail_here("arguments from a list or mapping are not known");
      const bool named = current().kind == token_kind::name && is(following(), token_kind::symbol, "=");
      if (names && !named) return fail_here("an argument without a name follows one with a name");
      names = named;
      if (named) {
        const token& name = take();
        take();
        parts.push_back(make_of(node_kind::named, name.line, name.text, expression()));
      } else {
        parts.push_back(expression());
      }
      if (!skip_symbol(",")) break;
    }
    expect_symbol(")");
  }

  node call(node callee) {
    const std::size_t line = current().line;
    std::vector<node> parts;
    parts.push_back(std::move(callee));
    arguments(parts);
    return make(node_kind::call, line, "", std::move(parts));
  }

  /// What follows a "|", or the filter of a block, which follows nothing.
  node filter(node subject) {
    skip_symbol("|");
    const std::size_t line = current().line;
    std::string name = expect_name();
    while (skip_symbol(".")) name += "." + expect_name();
    std::vector<node> parts;
    parts.push_back(std::move(subject));
    if (at_symbol("(")) arguments(parts);
    return make(node_kind::filter, line, std::move(name), std::move(parts));
  }

  node test(node subject) {
    const std::size_t line = take().line;
    const bool negated = skip_name("not");
    std::string name = expect_name();
    while (skip_symbol(".")) name += "." + expect_name();
    std::vector<node> parts;
    parts.push_back(std::move(subject));
    const token_kind next = current().kind;
    if (at_symbol("(")) {
      arguments(parts);
    } else if ((next == token_kind::name && !at_name("else") && !at_name("or") && !at_name("and")) ||
               next == token_kind::string || next == token_kind::integer || next == token_kind::real ||
               at_symbol("[") || at_symbol("{")) {
      if (at_name("is")) fail_here("a test of a test is not known");
      node argument = primary();
      while (at_symbol(".") || at_symbol("[") || at_symbol("(")) argument = postfix(std::move(argument));
      parts.push_back(std::move(argument));
    }
    node result = make(node_kind::test, line, std::move(name), std::move(parts));
    return negated ? make_of(node_kind::negation, line, "", std::move(result)) : result;
  }

  std::vector<token> tokens_;
  trouble& error_;

 private:
  std::size_t at_ = 0, nested_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io::jinja
