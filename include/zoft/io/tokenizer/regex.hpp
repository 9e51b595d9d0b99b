/// Regular expressions by PCRE2: the only header that includes it. Patterns are written as Hugging Face's tokenizers
/// read them (Oniguruma's Ruby syntax), and mean the same here.
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "code_points.hpp"
#include "pattern_syntax.hpp"
#include "unicode_16.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// A compiled pattern. It is immutable: copies share it, and threads may match with it at once.
class regex {
 public:
  struct match {
    std::size_t begin, end;
  };

  /// `where` begins the message if the pattern cannot be compiled, or has syntax that PCRE2 reads otherwise.
  regex(const std::string& pattern, const std::string& where) : where_(where) {
    const std::string translated = pcre_pattern(pattern, where);
    int error = 0;
    PCRE2_SIZE at = 0;
    auto* const code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &at, options().get());
    if (code == nullptr) {
      PCRE2_UCHAR message[128] = {};
      pcre2_get_error_message(error, message, sizeof message);
      fail(where + ": the pattern '" + printable(pattern) +
           "' is not understood: " + printable(reinterpret_cast<const char*>(message)));
    }
    code_ = {code, [](pcre2_code* c) { pcre2_code_free(c); }};
    compiled_ = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
  }

  /// Calls visit(begin, end, is_match) for the matches and what lies between them, from left to right, so that they
  /// cover the text. An empty match right after another match is passed over. The text must be UTF-8.
  template <class F>
  void for_each(std::string_view text, F&& visit) const {
    const std::string stand_in = older_characters(text);  // as long as the text, or empty
    const std::string_view subject = stand_in.empty() ? text : std::string_view(stand_in);
    std::size_t covered = 0, from = 0;
    bool after_match = false;
    while (const auto found = find(subject, from)) {
      const auto [begin, end] = *found;
      if (begin == end && after_match && end == covered) {
        if (from >= text.size()) break;
        from += code_point_at(text, from).length;
        after_match = false;
        continue;
      }
      if (covered < begin) visit(covered, begin, false);
      visit(begin, end, true);
      covered = from = end;
      after_match = true;
    }
    if (covered < text.size()) visit(covered, text.size(), false);
  }

 private:
  struct context {
    std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data{
        pcre2_match_data_create(1, nullptr), [](pcre2_match_data* d) { pcre2_match_data_free(d); }};
    std::unique_ptr<pcre2_match_context, void (*)(pcre2_match_context*)> match{
        pcre2_match_context_create(nullptr), [](pcre2_match_context* c) { pcre2_match_context_free(c); }};
    std::unique_ptr<pcre2_jit_stack, void (*)(pcre2_jit_stack*)> stack{
        pcre2_jit_stack_create(std::size_t{1} << 15, std::size_t{1} << 20, nullptr),
        [](pcre2_jit_stack* s) { pcre2_jit_stack_free(s); }};
    context() { pcre2_jit_stack_assign(match.get(), nullptr, stack.get()); }
  };
  static context& own_context() {
    thread_local context mine;  // serves every pattern, one at a time
    return mine;
  }
  static std::unique_ptr<pcre2_compile_context, void (*)(pcre2_compile_context*)> options() {
    auto* const made = pcre2_compile_context_create(nullptr);
    pcre2_set_newline(made, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(made, 100);
    return {made, [](pcre2_compile_context* c) { pcre2_compile_context_free(c); }};
  }

  std::optional<match> find(std::string_view text, std::size_t from) const {
    if (from > text.size()) return std::nullopt;
    context& mine = own_context();
    const auto* const subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    int result = PCRE2_ERROR_JIT_STACKLIMIT;
    if (compiled_)
      result = pcre2_jit_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, mine.data.get(),
                               mine.match.get());
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
      result = pcre2_match(code_.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, mine.data.get(),
                           mine.match.get());
    if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
    if (result < 0)
      fail(where_ + ": its pattern needs too much time or memory on a text of " + zoft::text(text.size()) + " bytes");
    const auto* const at = pcre2_get_ovector_pointer(mine.data.get());
    return match{at[0], std::max(at[0], at[1])};
  }

  std::string where_;
  std::shared_ptr<pcre2_code> code_;
  bool compiled_ = false;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
