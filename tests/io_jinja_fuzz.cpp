// Spoiled templates: each is rendered or refused with one line. Meant to be run with the sanitizers too.
#include <random>
#include <string>
#include <vector>
#include <zoft/io/chat.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

struct jinja_fuzz_counts {
  std::size_t rendered = 0, refused = 0;
};

/// Changes, cuts, repeats and swaps pieces of the templates, and renders a conversation by each.
jinja_fuzz_counts fuzz_templates(const std::vector<std::string>& sources, std::size_t rounds, unsigned seed) {
  std::mt19937 generator(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(generator() % n); };
  const std::vector<std::string> likely{"{{",
                                        "}}",
                                        "{%",
                                        "%}",
                                        "{%-",
                                        "-%}",
                                        "{#",
                                        "#}",
                                        "'",
                                        "\"",
                                        "\\",
                                        "(",
                                        ")",
                                        "[",
                                        "]",
                                        "|",
                                        ".",
                                        ",",
                                        ":",
                                        "=",
                                        "~",
                                        "+",
                                        "-",
                                        "*",
                                        "%",
                                        "//",
                                        "**",
                                        " not ",
                                        " in ",
                                        " is ",
                                        " if ",
                                        " else ",
                                        " and ",
                                        "[::-1]",
                                        "|tojson",
                                        "|list",
                                        "|sort",
                                        "|join",
                                        ".split()",
                                        "loop",
                                        "loop.index",
                                        "messages",
                                        "namespace()",
                                        "range(9)",
                                        "none",
                                        "999999999999",
                                        "-1",
                                        "0",
                                        "\xe4\xbd\xa0",
                                        "\xff",
                                        "|upper",
                                        "{% endif %}",
                                        "{% endfor %}",
                                        "*9999"};
  const std::vector<message> talk{
      {"system", "Be {brief}."}, {"user", " H\xc3\xa9llo\n"}, {"assistant", "<think>a</think>b"}, {"user", ""}};
  jinja::limits most;
  most.steps = 200'000;
  most.bytes = 4 << 20;
  jinja_fuzz_counts result;
  for (std::size_t round = 0; round < rounds; ++round) {
    std::string source = sources[below(sources.size())];
    for (std::size_t changes = 1 + below(5); changes > 0 && !source.empty(); --changes) {
      const std::size_t at = below(source.size());
      switch (below(6)) {
        case 0:
          source[at] = static_cast<char>(below(256));
          break;
        case 1:
          source.insert(at, likely[below(likely.size())]);
          break;
        case 2:
          source.erase(at, 1 + below(12));
          break;
        case 3:
          source.insert(at, source.substr(below(source.size()), 1 + below(60)));
          break;
        case 4:
          source.replace(at, 1 + below(6), likely[below(likely.size())]);
          break;
        default:
          source.resize(at + 1);
      }
    }
    const jinja::program p(source);
    const jinja::rendering out = p.render(
        [&](jinja::machine& m) {
          std::vector<jinja::value> list;
          for (const message& one : talk)
            list.push_back(m.mapping({{m.text(std::string("role")), m.text(one.role)},
                                      {m.text(std::string("content")), m.text(one.content)}}));
          m.define("messages", m.list(std::move(list)));
          m.define("add_generation_prompt", true);
          m.define("bos_token", m.text(std::string("<s>")));
          m.define("eos_token", m.text(std::string("</s>")));
        },
        nullptr, most);
    ++(out.error.empty() ? result.rendered : result.refused);
    if (!out.error.empty() &&
        (out.error.size() > 800 || out.error.find('\n') != std::string::npos || !out.error.starts_with("line ")))
      FAIL_CHECK("not one clear line: " << out.error);
    if (out.error.empty() && !is_utf8(out.text)) FAIL_CHECK("not UTF-8: " << source);
  }
  return result;
}

}  // namespace

TEST_CASE("fuzz: small templates", "[io][chat][fuzz]") {
  std::vector<std::string> sources;
  const json known = json::parse(read_file(fixture("chat/jinja.json")));
  for (const json& one : known["templates"]) sources.push_back(one[0].get<std::string>());
  for (const chat_format_entry& entry : chat_formats) sources.emplace_back(entry.source);
  const jinja_fuzz_counts result = fuzz_templates(sources, 6000, 42);
  CHECK(result.rendered > 500);
  CHECK(result.refused > 2000);
}

TEST_CASE("fuzz: the templates of models", "[io][chat][fuzz]") {
  const auto folder = real_data("templates");
  if (!folder) return;
  std::vector<std::string> sources;
  for (const auto& entry : std::filesystem::directory_iterator(*folder))
    if (entry.path().extension() == ".jinja") sources.push_back(read_file(entry.path().string()));
  const jinja_fuzz_counts result = fuzz_templates(sources, 1500, 43);
  CHECK(result.rendered > 100);
  CHECK(result.refused > 300);
}
