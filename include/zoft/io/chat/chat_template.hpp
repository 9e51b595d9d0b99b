/// Renders conversations by a chat template of Hugging Face: a Jinja text, in tokenizer_config.json, in
/// chat_template.jinja, or in a GGUF under tokenizer.chat_template.
#pragma once

#include <cstddef>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/json.hpp"
#include "../file/utf8.hpp"
#include "jinja.hpp"
#include "message.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// What a template may use beside the messages.
struct chat_options {
  std::optional<std::string> bos = std::nullopt;  ///< the text of the token that begins a sequence, if there is one
  std::optional<std::string> eos = std::nullopt;  ///< the text of the token that ends a sequence, if there is one
  json variables = json::object();                ///< others by name, such as {"enable_thinking": false}
  std::optional<std::tm> now = std::nullopt;      ///< the time for templates that write the date. Default: now.
  jinja::limits most = {};                        ///< what one rendering may use
};

class chat_template {
 public:
  /// `name` begins every error. Throws if the text is not a template of the part of Jinja that is known.
  chat_template(std::string source, std::string name)
      : source_(std::move(source)), name_(std::move(name)), program_(source_) {
    if (!program_.error().empty()) fail(name_ + ": " + program_.error());
  }

  const std::string& name() const { return name_; }
  const std::string& source() const { return source_; }

  /// The text of the conversation, as apply_chat_template of transformers gives it. With `prompt`, what stands before
  /// an answer follows the last message. Throws what the template does not take, by the line of the template.
  std::string render(std::span<const message> messages, bool prompt, const chat_options& options = {}) const {
    jinja::rendering result = try_render(messages, prompt, options);
    if (!result.error.empty()) fail(name_ + ": " + result.error);
    return std::move(result.text);
  }

  /// The same, with the error as a text.
  jinja::rendering try_render(std::span<const message> messages, bool prompt, const chat_options& options = {}) const {
    for (std::size_t i = 0; i < messages.size(); ++i)
      if (!is_utf8(messages[i].role) || !is_utf8(messages[i].content))
        return {"", "message " + text(i + 1) + " is not UTF-8"};
    const auto define = [&](jinja::machine& m) {
      std::vector<jinja::value> list;
      for (const message& one : messages)
        list.push_back(m.mapping(
            {{m.text(std::string("role")), m.text(one.role)}, {m.text(std::string("content")), m.text(one.content)}}));
      m.define("messages", m.list(std::move(list)));
      m.define("add_generation_prompt", prompt);
      m.define("tools", jinja::none{});
      m.define("documents", jinja::none{});
      if (options.bos) m.define("bos_token", m.text(*options.bos));
      if (options.eos) m.define("eos_token", m.text(*options.eos));
      if (const auto* others = options.variables.get_ptr<const json::object_t*>(); others != nullptr)
        for (const auto& [key, other] : *others) m.define(key, jinja::from_json(m, other));  // the last one counts
    };
    return program_.render(define, options.now ? &*options.now : nullptr, options.most);
  }

 private:
  std::string source_, name_;
  jinja::program program_;
};

}  // namespace zoft::inline ZOFT_ISA::io
