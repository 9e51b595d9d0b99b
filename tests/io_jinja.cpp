// The interpreter of Jinja, against known answers of jinja2: fixtures/make_chat.py.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>
#include <zoft/io/chat/jinja.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

/// Monday, 5 January 2026, 14:03:09.
std::tm jinja_time() {
  std::tm now{};
  now.tm_year = 126, now.tm_mday = 5, now.tm_hour = 14, now.tm_min = 3, now.tm_sec = 9, now.tm_wday = 1,
  now.tm_yday = 4;
  return now;
}

jinja::rendering render_jinja(const std::string& source, const json& variables = json::object(),
                              const jinja::limits& most = {}) {
  const std::tm now = jinja_time();
  return jinja::program(source).render(
      [&](jinja::machine& m) {
        for (const auto& [name, v] : variables.get_ref<const json::object_t&>()) m.define(name, jinja::from_json(m, v));
      },
      &now, most);
}

void check_jinja_refused(const std::string& source, const std::string& what, const json& variables = json::object()) {
  INFO(source.substr(0, 300));
  const jinja::rendering result = render_jinja(source, variables);
  INFO("text: " << result.text << "\nerror: " << result.error);
  CHECK(result.error.find(what) != std::string::npos);
  CHECK(result.error.starts_with("line "));
  CHECK(result.text.empty());
}

std::string repeated_text(const std::string& part, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += part;
  return result;
}

}  // namespace

TEST_CASE("jinja: gives what jinja2 gives, or fails where it fails", "[io][chat]") {
  const json known = json::parse(read_file(fixture("chat/jinja.json")));
  std::size_t texts = 0, errors = 0;
  for (const json& one : known["templates"]) {
    const auto source = one[0].get<std::string>();
    INFO(source);
    const jinja::rendering result = render_jinja(source, known["variables"]);
    INFO("error: " << result.error);
    if (one[1].is_null()) {
      CHECK_FALSE(result.error.empty());
      ++errors;
    } else {
      CHECK(result.error.empty());
      CHECK(result.text == one[1].get<std::string>());
      ++texts;
    }
  }
  CHECK(texts > 120);
  CHECK(errors > 60);
}

TEST_CASE("jinja: what is not known is named, with its line", "[io][chat]") {
  check_jinja_refused("a\n{{ x|groupby('a') }}", "line 2: filter 'groupby' is not known");
  check_jinja_refused("{{ 1 is sameas 1 }}", "line 1: test 'sameas' is not known");
  check_jinja_refused("\n\n{% include 'x' %}", "line 3: statement 'include' is not known");
  check_jinja_refused("{% block a %}{% endblock %}", "statement 'block' is not known");
  check_jinja_refused("{{ 'a'.encode() }}", "method 'encode' of text is not known");
  check_jinja_refused("{{ [1].append(2) }}", "method 'append' of a list is not known, or changes it");
  check_jinja_refused("{{ {}.update({}) }}", "method 'update' of a mapping is not known, or changes it");
  check_jinja_refused("{{ cycler(1) }}", "function 'cycler' is not known");
  check_jinja_refused("{% for i in [1] recursive %}{% endfor %}", "a recursive loop is not known");
  check_jinja_refused("{% for i in [1] %}{{ loop.cycle(1) }}{% endfor %}", "'loop.cycle' is not known");
  check_jinja_refused("{{ range(*[1]) }}", "arguments from a list or mapping are not known");
  check_jinja_refused("{{ 'a'|join(x=1) }}", "argument 'x' of filter 'join' is not known");
  check_jinja_refused("{{ '\xc3\x9f'|upper }}", "the case of letters beyond ASCII is not known");
  check_jinja_refused("{{ 10 ** 20 }}", "a number is too large");
  check_jinja_refused("{{ 99999999999999999999 }}", "the number 99999999999999999999 is too large");
  check_jinja_refused("{{ 'a'.__class__ }}", "attribute '__class__' is not known");
  check_jinja_refused("{{ range }}", "printing a function is not known");
  check_jinja_refused("{{ '%x'|format(1) }}", "a format other than %s, %d and %% is not known");
  check_jinja_refused("{{ strftime_now('%Q') }}", "function 'strftime_now' does not know '%Q'");
  check_jinja_refused("{{ nothing.more }}", "'nothing' is undefined");
  check_jinja_refused("{{ {}.a.b }}", "'a' of a mapping is undefined");
  check_jinja_refused("{% macro f(a) %}{{ a + 1 }}{% endmacro %}{{ f() }}", "argument 'a' is undefined");
  check_jinja_refused("{% if true %}\n\n{{ raise_exception('Roles must\nalternate') }}{% endif %}",
                      "line 3: the template says: Roles must\\x0aalternate");
  check_jinja_refused("{{ '\xff' }}", "the template is not UTF-8");
  CHECK(render_jinja("{% if false %}{{ 1|groupby('a') }}{% endif %}ok").text == "ok");
}

TEST_CASE("jinja: a template that is not well formed", "[io][chat]") {
  check_jinja_refused("{{ a", "the template ends within a tag");
  check_jinja_refused("{# a", "a comment has no end");
  check_jinja_refused("{{ 'a }}", "a string has no end");
  check_jinja_refused("{% raw %}{{ a }}", "raw has no endraw");
  check_jinja_refused("{% if true %}\nx", "line 2: 'endif' is missing");
  check_jinja_refused("{% for a in b %}{% endif %}", "statement 'endif' is not known");
  check_jinja_refused("{% else %}", "statement 'else' is not known");
  check_jinja_refused("{{ ) }}", "')' closes nothing");
  check_jinja_refused("{{ ( ] }}", "']' closes nothing");
  check_jinja_refused("{{ a ? b }}", "'?' is not known here");
  check_jinja_refused("{{ 1 + }}", "'}}' stands where an expression must");
  check_jinja_refused("{{ a b }}", "'b' stands where '}}' must");
  check_jinja_refused("{% set 1 = 2 %}", "'1' stands where a name must");
  check_jinja_refused("{% set none = 2 %}", "'none' cannot be given a value");
  check_jinja_refused("{% break %}", "'break' stands outside of a loop");
  check_jinja_refused("{% for i in [1] %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}", "outside of a loop");
  check_jinja_refused("{{ '\\ud800' }}", "a string holds an escape that is not known");
}

TEST_CASE("jinja: a template cannot take all time, memory or stack", "[io][chat]") {
  const std::string loops = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}";
  check_jinja_refused(loops, "the template ");
  check_jinja_refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself too deep");
  check_jinja_refused(
      "{% macro f() %}{% call g() %}{{ f() }}{% endcall %}{% endmacro %}{% macro g() %}{{ caller() }}"
      "{% endmacro %}{{ f() }}",
      "calls itself too deep");
  check_jinja_refused("{{ 'a' * 1000000000000 }}", "too much text");
  check_jinja_refused("{{ [0] * 9223372036854775807 }}", "too much text");
  check_jinja_refused(
      "{% set ns = namespace(x='ab') %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "too much text");
  check_jinja_refused(
      "{% set ns = namespace(x=[1]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "too much text");
  check_jinja_refused("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}",
                      "a value is nested more than");
  check_jinja_refused(
      "{% set ns = namespace(x={}) %}{% for i in range(1000) %}{% set ns.x = {1: ns.x.get} %}{% endfor %}",
      "a value is nested more than");
  // 2^60 zeros, if they were printed or compared.
  const std::string shared =
      "{% set ns = namespace(x=[0]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
  check_jinja_refused(shared + "{{ ns.x }}", "the template");
  check_jinja_refused(shared + "{{ ns.x|tojson }}", "the template");
  check_jinja_refused(
      "{% set ns = namespace(x=[0], y=[0]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
      "the template");
  check_jinja_refused("{% set a = 'a' * 3000000 %}{% set b = 'a' * 1000000 + 'b' %}{{ b in a }}", "too many steps");
  check_jinja_refused("{% set a = 'a' * 3000000 %}{{ a.replace('', a) }}", "too much text");
  check_jinja_refused("{{ range(1000000) }}", "more than 100000 numbers");
  CHECK(render_jinja("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me.me is defined }}").text == "True");

  const auto nested = [](const std::string& open, const std::string& close, std::size_t times) {
    return "{{ " + repeated_text(open, times) + "1" + repeated_text(close, times) + " }}";
  };
  CHECK(render_jinja(nested("(", ")", 30)).text == "1");
  for (const auto& [open, close] : std::vector<std::pair<std::string, std::string>>{{"(", ")"},
                                                                                    {"[", "]"},
                                                                                    {"-", ""},
                                                                                    {"not ", ""},
                                                                                    {"1 if ", ""},
                                                                                    {"{1:", "}"},
                                                                                    {"f(", ")"},
                                                                                    {"a[", "]"},
                                                                                    {"1 if 1 else ", ""}})
    check_jinja_refused(nested(open, close, 50'000), "is nested more than 100 deep");
  for (const std::string more : {" + 1", "|abs", ".a", "[1]", "()", " is defined", " and 1", " ** 2"})
    check_jinja_refused("{{ a" + repeated_text(more, 50'000) + " }}",
                        more == " is defined" ? "a test" : "is nested more than 100 deep");
  check_jinja_refused(repeated_text("{% if 1 %}", 50'000), "is nested more than 100 deep");
  check_jinja_refused("{% if 1 %}" + repeated_text("{% elif 1 %}", 50'000) + "{% endif %}",
                      "is nested more than 100 deep");
  check_jinja_refused(std::string((1u << 20) + 1, 'x'), "more than 1048576 bytes");

  jinja::limits small;
  small.bytes = 10'000;
  CHECK(render_jinja("{{ 'a' * 1000 }}", json::object(), small).error.empty());
  CHECK(render_jinja("{{ 'a' * 10000 }}", json::object(), small).error == "line 1: the template makes too much text");
}

TEST_CASE("jinja: a program can be rendered many times, and each time anew", "[io][chat]") {
  const jinja::program p(
      "{% set ns = namespace(n=n) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}");
  for (std::int64_t n = 0; n < 3; ++n) {
    const auto result = p.render([&](jinja::machine& m) { m.define("n", n); });
    CHECK(result.text == std::to_string(n + 3));
  }
}
