/// Cuts the text of a Jinja template into tokens, as jinja2 does with trim_blocks and lstrip_blocks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"
#include "jinja_text.hpp"

namespace zoft::inline ZOFT_ISA::io::jinja {

/// The first thing that went wrong. Work goes on after it, with values that do no harm, until it is looked at.
struct trouble {
  std::string what;  ///< "line 3: filter 'groupby' is not known", or empty

  explicit operator bool() const { return !what.empty(); }
  void report(std::size_t line, const std::string& problem) {
    if (what.empty()) what = "line " + zoft::text(line) + ": " + problem;
  }
};

enum class token_kind : unsigned char {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  symbol,
  end,
};

struct token {
  token_kind kind = token_kind::end;
  std::size_t line = 1;
  std::string text;  ///< a string's is unescaped, a number's has no underscores
};

class lexer {
 public:
  lexer(std::string_view source, trouble& error) : source_(with_line_feeds(source)), error_(error) {}

  /// The tokens, with one of kind `end` behind them.
  std::vector<token> tokens() {
    while (at_ < source_.size() && !error_) read_data();
    put(token_kind::end, line_, "");
    return std::move(tokens_);
  }

 private:
  /// One line feed for each line end, and without the last one.
  static std::string with_line_feeds(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] != '\r')
        result += text[i];
      else if (i + 1 == text.size() || text[i + 1] != '\n')
        result += '\n';
    if (result.ends_with('\n')) result.pop_back();
    return result;
  }

  bool next_is(std::string_view what) const { return std::string_view(source_).substr(at_).starts_with(what); }

  void put(token_kind kind, std::size_t line, std::string text) { tokens_.push_back({kind, line, std::move(text)}); }

  void fail_here(const std::string& what) {
    error_.report(line_, what);
    at_ = source_.size();
  }

  void advance(std::size_t to) {
    line_ += static_cast<std::size_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                 source_.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    at_ = to;
  }

  /// Past the end of a tag, of which `sign` stands before the end: what of the text that follows belongs to it?
  void advance_past_tag(std::size_t to, char sign) {
    if (sign == '-')
      to = skip_space(source_, to);
    else if (sign != '+' && to < source_.size() && source_[to] == '\n')
      ++to;
    advance(to);
  }

  /// The text before a tag that begins with `sign`, without the white space that the tag takes away.
  std::string_view stripped(std::string_view text, char sign, bool starts_line, bool keeps_indent) const {
    if (sign == '-') return strip_right(text);
    if (sign == '+' || keeps_indent) return text;
    const std::size_t line = text.rfind('\n') + 1;  // npos + 1 is 0
    return (line > 0 || starts_line) && skip_space(text, line) == text.size() ? text.substr(0, line) : text;
  }

  char sign_at(std::size_t at) const {
    return at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
  }

  /// The position behind "{% WORD %}" that begins at `tag`, or 0 if something else does. Gives the signs in it.
  std::size_t lone_word(std::size_t tag, std::string_view word, char& first, char& last) const {
    std::size_t at = tag + 2;
    first = sign_at(at);
    at = skip_space(source_, at + (first != '\0'));
    if (std::string_view(source_).substr(at, word.size()) != word) return 0;
    at = skip_space(source_, at + word.size());
    last = sign_at(at);
    at += last != '\0';
    return std::string_view(source_).substr(at, 2) == "%}" ? at + 2 : 0;
  }

  void read_data() {
    const bool starts_line = at_ == 0 || source_[at_ - 1] == '\n';
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 == source_.size()) {
        put(token_kind::data, line_, source_.substr(at_));
        at_ = source_.size();
        return;
      }
      const char kind = source_[tag + 1];
      if (kind == '%' || kind == '{' || kind == '#') break;
    }
    const char kind = source_[tag + 1], sign = sign_at(tag + 2);
    const std::string_view data = std::string_view(source_).substr(at_, tag - at_);
    put(token_kind::data, line_, std::string(stripped(data, sign, starts_line, kind == '{')));
    if (tokens_.back().text.empty()) tokens_.pop_back();
    char first = '\0', last = '\0';
    const std::size_t raw = kind == '%' ? lone_word(tag, "raw", first, last) : 0;
    if (raw != 0 && last != '+') {
      advance(last == '-' ? skip_space(source_, raw) : raw);
      return read_raw();
    }
    advance(tag + 2 + (sign != '\0'));
    if (kind == '#') return read_comment();
    put(kind == '%' ? token_kind::block_begin : token_kind::variable_begin, line_, "");
    read_tag(kind == '%');
  }

  void read_comment() {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) return fail_here("a comment has no end");
    advance_past_tag(end + 2, end > at_ ? sign_at(end - 1) : '\0');
  }

  void read_raw() {
    const bool starts_line = source_[at_ - 1] == '\n';
    for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 1)) {
      char first = '\0', last = '\0';
      const std::size_t end = lone_word(tag, "endraw", first, last);
      if (end == 0) continue;
      const std::string_view data = std::string_view(source_).substr(at_, tag - at_);
      put(token_kind::data, line_, std::string(stripped(data, first, starts_line, false)));
      return advance_past_tag(end, last);
    }
    fail_here("raw has no endraw");
  }

  void read_tag(bool block) {
    const std::string_view end = block ? "%}" : "}}";
    std::string open;  // the brackets that must still be closed
    while (true) {
      if (open.empty()) {
        const char sign = next_is(end) ? '\0' : sign_at(at_);
        const bool signed_end = sign != '\0' && std::string_view(source_).substr(at_ + 1).starts_with(end);
        if (next_is(end) || (signed_end && (block || sign == '-'))) {
          put(block ? token_kind::block_end : token_kind::variable_end, line_, "");
          advance_past_tag(at_ + end.size() + (sign != '\0'), block || sign != '\0' ? sign : '+');
          return;
        }
      }
      if (at_ == source_.size()) return error_ ? void() : fail_here("the template ends within a tag");
      const std::size_t space = skip_space(source_, at_);
      if (space != at_)
        advance(space);
      else
        read_token(open);
    }
  }

  void read_token(std::string& open) {
    const char c = source_[at_];
    const auto is_digit = [](char d) { return d >= '0' && d <= '9'; };
    const auto is_word = [&](char d) { return is_lower(d) || is_upper(d) || is_digit(d) || d == '_'; };
    if (c == '\'' || c == '"') return read_string();
    if (is_digit(c)) return read_number();
    if (is_word(c)) {
      std::size_t end = at_;
      while (end < source_.size() && is_word(source_[end])) ++end;
      put(token_kind::name, line_, source_.substr(at_, end - at_));
      return advance(end);
    }
    for (const std::string_view symbol : {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                          "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"}) {
      if (!next_is(symbol)) continue;
      if (c == '{' || c == '(' || c == '[') open += c == '{' ? '}' : c == '(' ? ')' : ']';
      if (c == '}' || c == ')' || c == ']') {
        if (open.empty() || open.back() != c) return fail_here("'" + std::string(symbol) + "' closes nothing");
        open.pop_back();
      }
      put(token_kind::symbol, line_, std::string(symbol));
      return advance(at_ + symbol.size());
    }
    fail_here("'" + printable(std::string_view(source_).substr(at_, character_at(source_, at_).length)) +
              "' is not known here");
  }

  void read_number() {
    const auto digits = [&](std::size_t at) {  // where digits with single underscores in between end
      const auto digit = [&](std::size_t i) { return i < source_.size() && source_[i] >= '0' && source_[i] <= '9'; };
      while (digit(at) || (at < source_.size() && source_[at] == '_' && digit(at + 1))) ++at;
      return at;
    };
    std::size_t end = digits(at_);
    token_kind kind = token_kind::integer;
    const bool after_point = at_ > 0 && source_[at_ - 1] == '.';
    if (!after_point && end < source_.size() && source_[end] == '.' && digits(end + 1) > end + 1 &&
        source_[end + 1] != '_')
      end = digits(end + 1), kind = token_kind::real;
    if (!after_point && end < source_.size() && to_lower(source_[end]) == 'e') {
      const std::size_t power = end + 1 + (sign_at(end + 1) != '\0');
      if (digits(power) > power && source_[power] != '_') end = digits(power), kind = token_kind::real;
    }
    if (kind == token_kind::integer && end == at_ + 1 && source_[at_] == '0' && end < source_.size() &&
        std::string_view("xob").find(to_lower(source_[end])) != std::string_view::npos)
      return fail_here("only decimal numbers are known");
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    if (kind == token_kind::integer && text.size() > 1 && text[0] == '0') return fail_here("a number begins with 0");
    put(kind, line_, std::move(text));
    advance(end);
  }

  void read_string() {
    const char quote = source_[at_];
    std::string text;
    std::size_t at = at_ + 1;
    while (at < source_.size() && source_[at] != quote) {
      if (source_[at] != '\\')
        text += source_[at++];
      else if (!read_escape(text, at))
        return fail_here("a string holds an escape that is not known");
    }
    if (at >= source_.size()) return fail_here("a string has no end");
    put(token_kind::string, line_, std::move(text));
    advance(at + 1);
  }

  /// The escapes of Python's strings, but for names of characters. One that Python does not know stays as it is.
  bool read_escape(std::string& out, std::size_t& at) const {
    if (at + 1 >= source_.size()) return false;
    const char c = source_[at + 1];
    constexpr std::string_view letters = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v";  // pairs: the letter, and what it means
    const auto digits = [&](std::size_t first, std::size_t most, unsigned base, char32_t& code) {
      std::size_t count = 0;
      for (code = 0; count < most && first + count < source_.size(); ++count) {
        const char digit = to_lower(source_[first + count]);
        const auto number = static_cast<unsigned>(digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : digit - '0');
        if ((digit < '0' || digit > '9') && (digit < 'a' || digit > 'f')) break;
        if (number >= base) break;
        code = code * base + number;
      }
      return count;
    };
    char32_t code = 0;
    for (std::size_t i = 0; i < letters.size(); i += 2)
      if (letters[i] == c) {
        out += letters[i + 1];
        at += 2;
        return true;
      }
    if (c == '\n') {
      at += 2;
    } else if (c >= '0' && c <= '7') {
      at += 1 + digits(at + 1, 3, 8, code);
      append_utf8(out, code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t width = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      if (digits(at + 2, width, 16, code) != width || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return false;
      append_utf8(out, code);
      at += 2 + width;
    } else if (c == 'N') {
      return false;
    } else {
      out += '\\';
      at += 1;
    }
    return true;
  }

  std::string source_;
  trouble& error_;
  std::vector<token> tokens_;
  std::size_t at_ = 0, line_ = 1;
};

}  // namespace zoft::inline ZOFT_ISA::io::jinja
