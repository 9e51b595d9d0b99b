/// Parses a Jinja template. Of the statements, those are known that chat templates use.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "jinja_expression_parser.hpp"
#include "jinja_lexer.hpp"
#include "jinja_syntax.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

class parser : private expression_parser {
 public:
  parser(std::vector<token> tokens, trouble& error) : expression_parser(std::move(tokens), error) {}

  std::vector<node> whole() { return statements({}); }

 private:
  using names = std::initializer_list<std::string_view>;

  bool at_any(names ends) const {
    for (const std::string_view end : ends)
      if (at_name(end)) return true;
    return false;
  }

  void end_block() {
    if (current().kind == token_kind::block_end)
      take();
    else
      unexpected("'%}'");
  }

  /// Statements up to a block that begins with one of `ends`, of which the name becomes current. Without `ends`, up to
  /// the end of the template.
  std::vector<node> statements(names ends) {
    const nesting guard(*this);
    std::vector<node> result;
    while (!error_) {
      const token& t = take();
      switch (t.kind) {
        case token_kind::data:
          result.push_back(constant(t.line, t.text));
          result.back().kind = node_kind::text;
          break;
        case token_kind::variable_begin:
          result.push_back(make_of(node_kind::output, t.line, "", expressions(true)));
          if (current().kind == token_kind::variable_end)
            take();
          else
            unexpected("'}}'");
          break;
        case token_kind::block_begin:
          if (at_any(ends)) return result;
          result.push_back(statement());
          end_block();
          break;
        default:
          if (ends.size() > 0) fail_here("'" + std::string(*(ends.end() - 1)) + "' is missing");
          return result;
      }
    }
    return result;
  }

  /// The body of a statement, from the end of its first block to the name that ends it, which is skipped if it is the
  /// only one.
  std::vector<node> body(names ends) {
    skip_symbol(":");
    end_block();
    auto result = statements(ends);
    if (ends.size() == 1) take();
    return result;
  }

  node statement() {
    if (current().kind != token_kind::name) {
      unexpected("the name of a statement");
      return {};
    }
    const nesting guard(*this);
    const token& t = take();
    node result = make(node_kind::absent, t.line, "");
    if (t.text == "if") return branch(std::move(result));
    if (t.text == "for") return repeat(std::move(result));
    if (t.text == "set") return set(std::move(result));
    if (t.text == "macro") return macro(std::move(result));
    if (t.text == "call") return call_block(std::move(result));
    if (t.text == "with") return with_block(std::move(result));
    if (t.text == "break" || t.text == "continue") {
      result.kind = t.text == "break" ? node_kind::leave : node_kind::next;
      if (loops_ == 0) error_.report(t.line, "'" + t.text + "' stands outside of a loop");
      return result;
    }
    if (t.text == "filter") {
      result.kind = node_kind::filter_block;
      result.parts.push_back(filters());
      result.body = body({"endfilter"});
      return closed(std::move(result));
    }
    if (t.text == "generation") {  // transformers' own: marks what the model writes
      result.kind = node_kind::group;
      result.body = body_outside_of_loops({"endgeneration"});
      return closed(std::move(result));
    }
    error_.report(t.line, "statement '" + printable(t.text, 40) + "' is not known");
    return {};
  }

  node branch(node result) {
    result.kind = node_kind::branch;
    result.parts.push_back(expressions(false));
    result.body = body({"elif", "else", "endif"});
    if (at_name("elif")) {
      const token& t = take();
      const nesting guard(*this);
      result.other.push_back(branch(make(node_kind::absent, t.line, "")));
    } else if (skip_name("else")) {
      result.other = body({"endif"});
    } else {
      take();
    }
    return closed(std::move(result));
  }

  node repeat(node result) {
    result.kind = node_kind::repeat;
    result.parts.push_back(target(false));
    if (!skip_name("in")) unexpected("'in'");
    result.parts.push_back(expressions(false, {"recursive"}));
    result.parts.push_back(skip_name("if") ? expression() : node{});
    if (at_name("recursive")) fail_here("a recursive loop is not known");
    ++loops_;
    result.body = body({"endfor", "else"});
    --loops_;
    if (skip_name("else"))
      result.other = body({"endfor"});
    else
      take();
    return closed(std::move(result));
  }

  /// What a value is given to: a name, several, or an attribute of a namespace.
  node target(bool with_namespace) {
    const nesting guard(*this);
    const std::size_t line = current().line;
    std::vector<node> items;
    bool tuple = false;
    while (!at_symbol(")") && !at_name("in") && !error_) {
      if (skip_symbol("(")) {
        items.push_back(target(with_namespace));
        expect_symbol(")");
      } else {
        items.push_back(single_target(with_namespace));
      }
      if (!skip_symbol(",")) break;
      tuple = true;
    }
    if (!tuple && items.size() == 1) return std::move(items[0]);
    if (items.empty()) unexpected("a name");
    return make(node_kind::tuple, line, "", std::move(items));
  }

  node single_target(bool with_namespace) {
    const token& t = current();
    const std::string name = expect_name();
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"})
      if (name == constant) error_.report(t.line, "'" + name + "' cannot be given a value");
    node result = make(node_kind::name, t.line, name);
    if (!with_namespace || !skip_symbol(".")) return result;
    return make_of(node_kind::attribute, t.line, expect_name(), std::move(result));
  }

  /// The filters of a block, on what the block printed.
  node filters() {
    node result = make(node_kind::name, current().line, captured_name);
    do result = filter(std::move(result));
    while (at_symbol("|"));
    return result;
  }

  node set(node result) {
    result.parts.push_back(target(true));
    if (skip_symbol("=")) {
      result.kind = node_kind::assign;
      result.parts.push_back(expressions(true));
    } else {
      result.kind = node_kind::capture;
      result.parts.push_back(at_symbol("|") ? filters() : node{});
      result.body = body({"endset"});
    }
    return closed(std::move(result));
  }

  void parameters(std::vector<node>& list) {
    expect_symbol("(");
    while (!at_symbol(")") && !error_) {
      const token& t = current();
      node parameter = make(node_kind::name, t.line, expect_name());
      if (skip_symbol("="))
        parameter.parts.push_back(expression());
      else if (!list.empty() && list.back().kind == node_kind::name && !list.back().parts.empty())
        error_.report(t.line, "a parameter without a default follows one with a default");
      list.push_back(closed(std::move(parameter)));
      if (!skip_symbol(",")) break;
    }
    expect_symbol(")");
  }

  /// A loop does not reach into a macro that is defined in it.
  std::vector<node> body_outside_of_loops(names ends) {
    const std::size_t outside = std::exchange(loops_, 0);
    auto result = body(ends);
    loops_ = outside;
    return result;
  }

  node macro(node result) {
    result.kind = node_kind::definition;
    result.name = expect_name();
    parameters(result.parts);
    result.body = body_outside_of_loops({"endmacro"});
    return closed(std::move(result));
  }

  node call_block(node result) {
    result.kind = node_kind::call_block;
    std::vector<node> list;
    if (at_symbol("(")) parameters(list);
    result.parts.push_back(expression());
    if (!error_ && result.parts[0].kind != node_kind::call) fail_here("a call block calls nothing");
    for (node& parameter : list) result.parts.push_back(std::move(parameter));
    result.body = body_outside_of_loops({"endcall"});
    return closed(std::move(result));
  }

  node with_block(node result) {
    result.kind = node_kind::with_block;
    while (current().kind != token_kind::block_end && !error_) {
      if (!result.parts.empty()) expect_symbol(",");
      const token& t = current();
      result.parts.push_back(make(node_kind::name, t.line, expect_name()));
      expect_symbol("=");
      result.parts.push_back(expression());
    }
    result.body = body({"endwith"});
    return closed(std::move(result));
  }

  std::size_t loops_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io::jinja
