/// Which parts of a conversation are learned: the answers, each with what ends its turn.
#pragma once

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "chat_template.hpp"
#include "jinja_text.hpp"
#include "message.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct segment {
  std::string text;
  bool learned = false;

  bool operator==(const segment&) const = default;
};

namespace detail {

/// What a model writes after the prompt: the answer up to what ends its turn. White space behind that is the
/// template's, unless it is all that ends the turn. Empty if nothing ends it.
inline std::string_view answer_of(std::string_view written, std::string_view content) {
  const std::string_view bare = jinja::strip(content);
  const std::size_t found = written.find(bare);
  const std::size_t end = found == std::string_view::npos ? 0 : found + bare.size();
  if (end == written.size()) return {};
  const std::string_view ending = jinja::strip_right(written.substr(end));
  return ending.empty() ? written : written.substr(0, end + ending.size());
}

}  // namespace detail

/// Cuts a conversation into parts that are learned and parts that are not. Together they are its rendering:
///
///     render(messages up to the answer, with a prompt) · the answer, learned · what follows · …
///
/// An answer ends with what ends its turn, such as <|im_end|>. What the template writes before the content of an answer
/// and after the prompt, such as an empty thought, is learned with it, for the model must write it.
///
/// Throws if the template does not write the prompt before an answer, or nothing behind it, or writes earlier turns
/// otherwise than the last one (some leave thoughts out, or end the last turn in another way): then it can only learn
/// from conversations with one answer.
inline std::vector<segment> segments(const chat_template& form, std::span<const message> messages,
                                     chat_options options = {}) {
  if (!options.now) {  // one time for all renderings
    const std::time_t seconds = std::time(nullptr);
    std::tm now{};
#if defined(_WIN32)
    localtime_s(&now, &seconds);
#else
    localtime_r(&seconds, &now);
#endif
    options.now = now;
  }
  const std::string whole = form.render(messages, false, options);
  std::vector<segment> result;
  std::size_t done = 0;
  const auto put = [&](std::size_t end, bool learned) {
    if (end > done) result.push_back({whole.substr(done, end - done), learned});
    done = end;
  };
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (messages[i].role != "assistant") continue;
    const std::string where = form.name() + ": message " + text(i + 1) + ": ";
    const std::string prompt = form.render(messages.first(i), true, options);
    const bool last = i + 1 == messages.size();
    const std::string turn = last ? whole : form.render(messages.first(i + 1), false, options);
    if (!turn.starts_with(prompt)) {
      const std::string before = form.render(messages.first(i), false, options);
      fail(where + "the template's prompt for an answer is '" +
           printable(std::string_view(prompt).substr(prompt.starts_with(before) ? before.size() : 0)) +
           "', which it does not write before an answer that is there");
    }
    const std::string_view answer =
        detail::answer_of(std::string_view(turn).substr(prompt.size()), messages[i].content);
    if (answer.empty()) fail(where + "the template writes nothing that ends the turn of an answer");
    if (prompt.size() < done || !whole.starts_with(prompt) ||
        !std::string_view(whole).substr(prompt.size()).starts_with(answer))
      fail(where +
           "the template writes this answer otherwise when the conversation goes on, so that it can only learn "
           "from conversations with one answer");
    put(prompt.size(), false);
    put(prompt.size() + answer.size(), true);
  }
  put(whole.size(), false);
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
