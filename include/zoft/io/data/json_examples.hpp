/// Reads examples from JSON: an object a line, or a list of objects. The forms:
///
///     {"text"}                                    text
///     {"prompt", "completion"}                    a prompt and a completion
///     {"instruction", "input", "output"}          Alpaca's: as a conversation; input may be absent or empty
///     {"messages": [{"role", "content"}]}         a conversation
///     {"conversations": [{"from", "value"}]}      ShareGPT's; from is system, human, user, gpt or assistant
///
/// Other fields are ignored. Of several forms in one object, the last of this list counts.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/json.hpp"
#include "../file/memory_map.hpp"
#include "../file/printable.hpp"
#include "../file/utf8.hpp"
#include "example.hpp"
#include "lines.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

/// A message's content: text, or a list of {"type": "text", "text"}.
inline std::string content_of(const fields& one, const std::string& where) {
  const json* content = one.find("content");
  if (content == nullptr || !content->is_array()) return one.string("content");
  std::string result;
  for (const json& part : *content) {
    const fields piece(part, where + ": content");
    if (piece.string("type") != "text") piece.refuse("type", "text: nothing else can be learned from");
    result += piece.string("text");
  }
  return result;
}

inline message message_of(const json& source, const std::string& where) {
  const fields one(source, where);
  if (const json* calls = one.find("tool_calls"); calls != nullptr && !calls->empty())
    one.refuse("tool_calls", "left out: tools are not known here");
  message result{one.string("role"), content_of(one, where)};
  if (result.role.empty()) one.refuse("role", "the name of a role, such as user");
  return result;
}

inline message shared_message_of(const json& source, const std::string& where) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> roles{{
      {"human", "user"},
      {"user", "user"},
      {"gpt", "assistant"},
      {"assistant", "assistant"},
      {"system", "system"},
  }};
  const fields one(source, where);
  const std::string from = one.string("from");
  for (const auto& [name, role] : roles)
    if (name == from) return {std::string(role), one.string("value")};
  one.refuse("from", "human, user, gpt, assistant or system");
}

inline conversation conversation_of(const fields& object, const std::string& name, const std::string& where,
                                    message (*read)(const json&, const std::string&)) {
  const json* list = object.find(name);
  if (!list->is_array() || list->empty()) object.refuse(name, "a list of messages");
  conversation result;
  for (const json& one : *list) result.push_back(read(one, where + ": " + name + " " + text(result.size() + 1)));
  return result;
}

inline example example_of(const json& source, std::size_t line, const std::string& where) {
  const fields object(source, where);
  const auto has = [&](const char* name) { return object.find(name) != nullptr; };
  if (has("conversations")) return {conversation_of(object, "conversations", where, shared_message_of), line};
  if (has("messages")) return {conversation_of(object, "messages", where, message_of), line};
  if (has("instruction")) {
    const std::string task = object.string("instruction"), input = object.string("input", "");
    return {
        conversation{{"user", input.empty() ? task : task + "\n\n" + input}, {"assistant", object.string("output")}},
        line};
  }
  if (has("prompt") || has("completion"))
    return {prompt_and_completion{object.string("prompt"), object.string("completion")}, line};
  if (has("text")) return {object.string("text"), line};
  fail(where + ": has none of the fields text, prompt and completion, instruction and output, messages, conversations");
}

/// Throws at the line that is not UTF-8.
inline void require_utf8(std::string_view all, const std::string& path) {
  for (std::size_t number = 1; !all.empty(); ++number) {
    const std::size_t end = all.find('\n');
    if (!is_utf8(all.substr(0, end))) fail(path + ": line " + text(number) + " is not UTF-8");
    all.remove_prefix(end == std::string_view::npos ? all.size() : end + 1);
  }
}

}  // namespace detail

/// Throws, naming file and line or item, if anything is of another form.
inline std::vector<example> read_json_examples(const std::string& path) {
  std::vector<example> result;
  {
    const memory_map file(path);
    const std::string_view all = detail::text_of_file(file, path);
    const std::size_t begin = all.find_first_not_of(" \t\r\n");
    if (begin != std::string_view::npos && all[begin] == '[') {
      detail::require_utf8(all, path);
      const json list = parse_json(all, path);
      for (const json& item : list)
        result.push_back(detail::example_of(item, result.size() + 1, path + ": item " + text(result.size() + 1)));
      return result;
    }
  }
  for (const line& one : read_lines(path))
    result.push_back(detail::example_of(parse_json(one.text, one.where(path)), one.number, one.where(path)));
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
