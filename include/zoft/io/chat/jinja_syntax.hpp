/// The syntax tree of a Jinja template.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "../../core/config.hpp"
#include "jinja_value.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

enum class node_kind : unsigned char {
  // expressions, and their parts
  constant,     ///< constant
  name,         ///< name
  list,         ///< items
  tuple,        ///< items
  mapping,      ///< key, value, key, value, …
  attribute,    ///< object; name
  item,         ///< object, key
  slice,        ///< object, first, last, step, each of which may be `absent`
  call,         ///< callee, arguments
  named,        ///< a named argument: its value; name
  filter,       ///< subject, arguments; name
  test,         ///< subject, arguments; name
  negative,     ///< operand
  positive,     ///< operand
  negation,     ///< operand
  binary,       ///< left, right; name is the operator
  joined,       ///< the operands of ~
  comparison,   ///< left, `comparison_part`s
  part,         ///< right; name is the operator
  conjunction,  ///< left, right
  disjunction,  ///< left, right
  conditional,  ///< condition, then, else, which may be `absent`
  absent,
  // statements
  text,          ///< constant
  output,        ///< expression
  branch,        ///< condition; body, other
  repeat,        ///< target, iterated, condition, which may be `absent`; body, other
  assign,        ///< target, expression
  capture,       ///< target, filters, which may be `absent`; body
  definition,    ///< a macro: parameters; name, body
  call_block,    ///< call, parameters; body
  filter_block,  ///< filters; body
  with_block,    ///< target, expression, target, expression, …; body
  group,         ///< body, with names of its own
  leave,         ///< break
  next           ///< continue
};

struct node {
  node_kind kind = node_kind::absent;
  std::size_t line = 0;
  std::size_t depth = 1;  ///< of the tree below it
  std::string name;
  value constant;
  std::vector<node> parts;
  std::vector<node> body, other;
};

/// The deepest tree of a template that is taken, so that recursion over it is bounded.
inline constexpr std::size_t deepest_tree = 100;

inline std::size_t depth_below(const node& n) {
  std::size_t deepest = 0;
  for (const auto* list : {&n.parts, &n.body, &n.other})
    for (const node& below : *list) deepest = std::max(deepest, below.depth);
  return deepest + 1;
}

/// The name under which a filter on a block finds what the block printed. No name in a template looks like it.
inline constexpr const char* captured_name = " captured";

}  // namespace zoft::inline ZOFT_ISA::io::jinja
