/// Renders Jinja templates, for chats: the part of the language that chat templates use, as jinja2 3.1 renders it in
/// transformers' environment (ImmutableSandboxedEnvironment, trim_blocks, lstrip_blocks, break and continue,
/// generation, tojson without HTML, raise_exception, strftime_now). What is not known is an error that names it and its
/// line.
///
/// Not known: extends, block, include, import, recursive loops, * and ** in calls, filters and methods that are not in
/// the tables, case and quoting that need Unicode's tables, whole numbers of more than 64 bits.
#pragma once

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/json.hpp"
#include "jinja_expressions.hpp"
#include "jinja_lexer.hpp"
#include "jinja_machine.hpp"
#include "jinja_parser.hpp"
#include "jinja_statements.hpp"
#include "jinja_tables.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

/// What a rendering gave: a text, or an error of the form "line 3: filter 'groupby' is not known".
struct rendering {
  std::string text;
  std::string error;
};

/// A value of JSON as the template sees it.
inline value from_json(machine& m, const json& source) {
  switch (source.type()) {
    case json::value_t::boolean:
      return source.get<bool>();
    case json::value_t::number_unsigned:
      if (source.get<std::uint64_t>() > INT64_MAX) return m.refuse("a number is too large");
      return static_cast<std::int64_t>(source.get<std::uint64_t>());
    case json::value_t::number_integer:
      return source.get<std::int64_t>();
    case json::value_t::number_float:
      return source.get<double>();
    case json::value_t::string:
      return m.text(source.get_ref<const std::string&>());
    case json::value_t::array: {
      std::vector<value> items;
      for (const json& item : source) items.push_back(from_json(m, item));
      return m.list(std::move(items));
    }
    case json::value_t::object: {
      std::vector<std::pair<value, value>> items;
      for (const auto& [key, item] : source.items()) items.emplace_back(m.text(key), from_json(m, item));
      return m.mapping(std::move(items));
    }
    default:
      return none{};
  }
}

class program {
 public:
  program() = default;
  /// Parses. Look at error() before anything else.
  explicit program(std::string_view source) {
    trouble error;
    constexpr std::size_t most = 1 << 20;
    if (source.size() > most)
      error.report(1, "a template of more than " + zoft::text(most) + " bytes is not known");
    else if (!is_utf8(source))
      error.report(1, "the template is not UTF-8");
    else
      body_ = parser(lexer(source, error).tokens(), error).whole();
    error_ = error.what;
    if (error) body_.clear();
  }

  const std::string& error() const { return error_; }

  /// `define(machine)` defines the variables. The time is the time now where it is null.
  template <class Define>
  rendering render(const Define& define, const std::tm* now = nullptr, const limits& most = {}) const {
    if (!error_.empty()) return {"", error_};
    machine m(most, now);
    define(m);
    std::string text = m.run_all(body_);
    if (m.failed()) return {"", m.error()};
    return {std::move(text), ""};
  }

 private:
  std::vector<node> body_;
  std::string error_;
};

}  // namespace zoft::inline ZOFT_ISA::io::jinja
