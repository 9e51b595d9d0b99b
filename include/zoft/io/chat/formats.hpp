/// Chat formats by name, for models that bring no template, and to say which one a model's template is.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "chat_template.hpp"
#include "message.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct chat_format_entry {
  std::string_view name;
  std::string_view stop;  ///< what ends a turn, or "" if the token that ends a sequence does
  std::string_view source;
};

/// A new format is a line here. `begin` and `end` in a comment stand for the tokens of a sequence.
inline constexpr std::array<chat_format_entry, 14> chat_formats{{
    // <|im_start|>user ⏎ … <|im_end|> ⏎
    {"chatml", "<|im_end|>",
     R"({% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})"},
    // begin [INST] <<SYS>> ⏎ system ⏎ <</SYS>> ⏎⏎ user [/INST] assistant end
    {"llama2", "",
     R"({% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %})"
     R"({% set ns.system = '<<SYS>>\n' ~ m.content ~ '\n<</SYS>>\n\n' %}{% elif m.role == 'user' %})"
     R"({{ bos_token ~ '[INST] ' ~ (ns.system ~ m.content)|trim ~ ' [/INST]' }}{% set ns.system = '' %}{% else %})"
     R"({{ ' ' ~ m.content|trim ~ ' ' ~ eos_token }}{% endif %}{% endfor %})"},
    // begin <|start_header_id|>user<|end_header_id|> ⏎⏎ … <|eot_id|>
    {"llama3", "<|eot_id|>",
     R"({{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' ~ )"
     R"(m.content|trim ~ '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %})"
     R"({{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})"},
    // llama3, with dates in the system's message, which is always there
    {"llama3.1", "<|eot_id|>",
     R"({% set dates = 'Cutting Knowledge Date: December 2023\nToday Date: ' ~ (date_string or '26 Jul 2024') ~ )"
     R"('\n\n' %})"
     R"({{ bos_token }}{% if not messages or messages[0].role != 'system' %})"
     R"({{ '<|start_header_id|>system<|end_header_id|>\n\n' ~ dates ~ '<|eot_id|>' }}{% endif %})"
     R"({% for m in messages %}{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' ~ )"
     R"((dates if loop.first and m.role == 'system') ~ m.content|trim ~ '<|eot_id|>' }}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})"},
    // begin [INST] system ⏎⏎ user [/INST] assistant end
    {"mistral", "",
     R"({{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %})"
     R"({% set ns.system = m.content ~ '\n\n' %}{% elif m.role == 'user' %}{{ '[INST] ' ~ ns.system ~ m.content ~ )"
     R"(' [/INST]' }}{% set ns.system = '' %}{% else %}{{ ' ' ~ m.content ~ eos_token }}{% endif %}{% endfor %})"},
    // begin [SYSTEM_PROMPT]system[/SYSTEM_PROMPT][INST]user[/INST]assistant end
    {"mistral-v7", "",
     R"({{ bos_token }}{% for m in messages %}{% if m.role == 'system' %})"
     R"({{ '[SYSTEM_PROMPT]' ~ m.content ~ '[/SYSTEM_PROMPT]' }}{% elif m.role == 'user' %})"
     R"({{ '[INST]' ~ m.content ~ '[/INST]' }}{% else %}{{ m.content ~ eos_token }}{% endif %}{% endfor %})"},
    // begin <start_of_turn>user ⏎ system ⏎⏎ … <end_of_turn> ⏎ <start_of_turn>model ⏎
    {"gemma", "<end_of_turn>",
     R"({{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %})"
     R"({% set ns.system = m.content ~ '\n\n' %}{% else %}{{ '<start_of_turn>' ~ )"
     R"(('model' if m.role == 'assistant' else m.role) ~ '\n' ~ ns.system ~ m.content|trim ~ '<end_of_turn>\n' }})"
     R"({% set ns.system = '' %}{% endif %}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %})"},
    // <|user|> ⏎ … <|end|> ⏎
    {"phi3", "<|end|>",
     R"({% for m in messages %}{{ '<|' ~ m.role ~ '|>\n' ~ m.content ~ '<|end|>\n' }}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %})"},
    // <|im_start|>user<|im_sep|> … <|im_end|>
    {"phi4", "<|im_end|>",
     R"({% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '<|im_sep|>' ~ m.content ~ '<|im_end|>' }}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %})"},
    // <|user|> ⏎ … end ⏎
    {"zephyr", "",
     R"({% for m in messages %}{{ '<|' ~ m.role ~ '|>\n' ~ m.content ~ eos_token ~ '\n' }}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %})"},
    // <|start_of_role|>user<|end_of_role|> … <|end_of_text|> ⏎
    {"granite", "<|end_of_text|>",
     R"({% for m in messages %}{{ '<|start_of_role|>' ~ m.role ~ '<|end_of_role|>' ~ m.content ~ )"
     R"('<|end_of_text|>\n' }}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %})"},
    // begin system <｜User｜> … <｜Assistant｜> … end
    {"deepseek", "",
     R"({{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %})"
     R"({{ '<｜User｜>' ~ m.content }}{% else %}{{ '<｜Assistant｜>' ~ m.content ~ eos_token }}{% endif %})"
     R"({% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %})"},
    // system ⏎⏎ ### Instruction: ⏎ … ⏎⏎ ### Response: ⏎ … end ⏎⏎
    {"alpaca", "",
     R"({% for m in messages %}{% if m.role == 'system' %}{{ m.content ~ '\n\n' }}{% elif m.role == 'user' %})"
     R"({{ '### Instruction:\n' ~ m.content ~ '\n\n' }}{% else %})"
     R"({{ '### Response:\n' ~ m.content ~ eos_token ~ '\n\n' }}{% endif %}{% endfor %})"
     R"({% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %})"},
    // begin system USER: … ASSISTANT: … end
    {"vicuna", "",
     R"({{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content ~ ' ' }})"
     R"({% elif m.role == 'user' %})"
     R"({{ 'USER: ' ~ m.content ~ ' ' }}{% else %}{{ 'ASSISTANT: ' ~ m.content ~ eos_token }}{% endif %}{% endfor %})"
     R"({% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %})"},
}};

inline std::vector<std::string> chat_format_names() {
  std::vector<std::string> names;
  for (const chat_format_entry& entry : chat_formats) names.emplace_back(entry.name);
  return names;
}

inline const chat_format_entry* find_chat_format(std::string_view name) {
  for (const chat_format_entry& entry : chat_formats)
    if (entry.name == name) return &entry;
  return nullptr;
}

/// Throws if there is no format of that name.
inline chat_template chat_format(std::string_view name) {
  if (const chat_format_entry* entry = find_chat_format(name))
    return chat_template(std::string(entry->source), "chat format " + std::string(name));
  std::string known;
  for (const chat_format_entry& entry : chat_formats) (known += known.empty() ? "" : ", ") += entry.name;
  fail("chat format '" + printable(name, 40) + "' is not known, and must be one of " + known);
}

struct recognised_format {
  std::string name;
  std::string system;  ///< the system's message that the template puts in where a conversation has none
};

namespace detail {

/// The rendering without the token that begins a sequence: some templates write it, for others the tokenizer does.
inline std::optional<std::string> rendering_without_bos(const chat_template& form, const std::vector<message>& messages,
                                                        const chat_options& options) {
  jinja::rendering result = form.try_render(messages, messages.back().role == "user", options);
  if (!result.error.empty()) return std::nullopt;
  return result.text.starts_with(*options.bos) ? result.text.substr(options.bos->size()) : std::move(result.text);
}

/// Whether both render all of these conversations alike. `system`, if not empty, is put before them for the format.
inline bool renders_alike(const chat_template& own, const chat_template& format, const chat_options& options,
                          const std::vector<std::vector<message>>& conversations, const std::string& system) {
  for (const std::vector<message>& conversation : conversations) {
    std::vector<message> with = conversation;
    if (!system.empty()) with.insert(with.begin(), {"system", system});
    const auto wanted = rendering_without_bos(own, conversation, options);
    if (!wanted || wanted != rendering_without_bos(format, with, options)) return false;
  }
  return true;
}

}  // namespace detail

/// The named format that renders conversations as this template does: one turn and two, with a prompt for an answer
/// after a user's message, with a system's message and without one. Nothing if there is none; the template can be used
/// all the same. A template that takes no system's message is compared without.
inline std::optional<recognised_format> recognise(const chat_template& own, chat_options options = {}) {
  if (!options.bos) options.bos = "<s>";
  if (!options.eos) options.eos = "</s>";
  std::vector<message> turns{
      {"user", "How many?"}, {"assistant", "Two, {or} 3."}, {"user", " Why\nso? "}, {"assistant", "\xc3\x84h ..."}};
  const message system{"system", "Be brief."};
  std::vector<std::vector<message>> without, with;
  for (std::size_t count = 1; count <= turns.size(); ++count) {
    without.emplace_back(turns.begin(), turns.begin() + static_cast<std::ptrdiff_t>(count));
    with.push_back(without.back());
    with.back().insert(with.back().begin(), system);
  }
  if (!detail::rendering_without_bos(own, with[0], options)) with.clear();
  for (const chat_format_entry& entry : chat_formats) {
    const chat_template format = chat_format(entry.name);
    if (!detail::renders_alike(own, format, options, with, "")) continue;
    if (detail::renders_alike(own, format, options, without, "")) return recognised_format{std::string(entry.name), ""};
    // What does the template write where the format would write a system's message?
    const std::string mark = "\x01";
    const auto marked = detail::rendering_without_bos(format, {{"system", mark}, turns[0]}, options);
    const auto written = detail::rendering_without_bos(own, without[0], options);
    if (!marked || !written || marked->find(mark) == std::string::npos) continue;
    const std::string before = marked->substr(0, marked->find(mark)), after = marked->substr(before.size() + 1);
    if (written->size() <= before.size() + after.size() || !written->starts_with(before) || !written->ends_with(after))
      continue;
    const std::string found = written->substr(before.size(), written->size() - before.size() - after.size());
    if (detail::renders_alike(own, format, options, without, found))
      return recognised_format{std::string(entry.name), found};
  }
  return std::nullopt;
}

}  // namespace zoft::inline ZOFT_ISA::io
