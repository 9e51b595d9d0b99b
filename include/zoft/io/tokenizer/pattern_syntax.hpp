/// Turns a pattern of Oniguruma's Ruby syntax into PCRE2's. The two agree but for the following.
///
///     \s \S \w \W \h \H    other sets of characters: written out
///     \b                   follows \w: written out
///     \p{Han}              the script alone, not the characters that others use too: \p{sc:Han}
///     \uHHHH               \x{HHHH}
///
/// What the two read differently and no published tokenizer has is refused: sets within sets, && in sets, {n,m}+,
/// options other than i, and escapes of other letters.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "../../core/config.hpp"
#include "../file/printable.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

class pattern_translator {
 public:
  /// `where` begins the message if the pattern cannot be turned.
  pattern_translator(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string translate() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\')
        escape();
      else if (in_set_)
        member(c);
      else if (c == '[')
        open_set();
      else if (c == '(')
        open_group();
      else
        plain(c);
    }
    return result_;
  }

 private:
  // White_Space, and what remains of the code points. A set cannot hold another one's opposite, so both are spelled
  // out.
  static constexpr std::string_view space =
      R"(\x09-\x0d\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
  static constexpr std::string_view no_space =
      R"(\x00-\x08\x0e-\x1f\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
      R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
  // Alphabetic, marks, decimal digits and connectors. Alphabetic is letters, letter numbers, and circled and squared
  // ones.
  static constexpr std::string_view word =
      R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
  // Outside a set, Oniguruma also takes these six of Latin-1 for words: ² ³ ¹ ¼ ½ ¾.
  static constexpr std::string_view word_alone = R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";
  static constexpr std::string_view hexadecimal = "0-9a-fA-F";

  [[noreturn]] void refuse(std::string_view what) const {
    fail(where_ + ": the pattern '" + printable(pattern_) + "' has '" + printable(what) + "', which is not supported");
  }
  std::string_view rest(std::size_t count) const { return pattern_.substr(at_, count); }

  void set(std::string_view members) { result_ += in_set_ ? std::string(members) : "[" + std::string(members) + "]"; }
  void opposite(std::string_view members, std::string_view escaped) {
    if (in_set_) refuse("[..." + std::string(escaped) + "...]");
    result_ += "[^" + std::string(members) + "]";
  }

  void escape() {
    const std::string_view both = rest(2);
    if (both.size() < 2) refuse(both);
    at_ += 2;
    switch (both[1]) {
      case 's':
        return set(space);
      case 'S':
        return set(no_space);
      case 'w':
        return set(in_set_ ? std::string(word) : std::string(word) + std::string(word_alone));
      case 'W':
        return opposite(std::string(word) + std::string(word_alone), both);
      case 'h':
        return set(hexadecimal);
      case 'H':
        return opposite(hexadecimal, both);
      case 'b': {
        if (in_set_) refuse("[...\\b...]");
        const std::string w = "[" + std::string(word) + std::string(word_alone) + "]";
        result_ += "(?:(?<=" + w + ")(?!" + w + ")|(?<!" + w + ")(?=" + w + "))";
        return;
      }
      case 'p':
      case 'P':
        return property(both);
      case 'u': {
        const std::string_view digits = rest(4);
        if (digits.size() < 4 || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
          refuse(both);
        at_ += 4;
        result_ += "\\x{" + std::string(digits) + "}";
        return;
      }
      default:
        break;
    }
    const bool letter = (both[1] >= 'a' && both[1] <= 'z') || (both[1] >= 'A' && both[1] <= 'Z');
    if (letter && std::string_view("dDnrtfvaexAz").find(both[1]) == std::string_view::npos) refuse(both);
    result_ += both;
  }

  /// \p{…}: a general category of one or two letters, or a script.
  void property(std::string_view escaped) {
    const std::size_t end = pattern_.find('}', at_);
    if (end == std::string_view::npos || pattern_[at_] != '{') refuse(escaped);
    const std::string_view name = pattern_.substr(at_ + 1, end - at_ - 1);
    if (name.empty() || name.find_first_of("^:") != std::string_view::npos)
      refuse(std::string(escaped) + "{" + std::string(name) + "}");
    result_ += std::string(escaped) + (name.size() <= 2 ? "{" : "{sc:") + std::string(name) + "}";
    at_ = end + 1;
  }

  void open_set() {
    in_set_ = true;
    const bool negated = rest(2) == "[^";
    result_ += rest(negated ? 2 : 1);
    at_ += negated ? 2 : 1;
    if (rest(1) == "]") refuse("[]");
  }
  void member(char c) {
    if (c == '[') refuse("[...[");
    if (rest(2) == "&&") refuse("[...&&");
    if (c == ']') in_set_ = false;
    result_ += c;
    ++at_;
  }

  void open_group() {
    const std::string_view two = rest(2), three = rest(3), four = rest(4);
    const bool whole = at_ == 0 && four == "(?i)";  // elsewhere it ends at other places
    if (two == "(*" || (two == "(?" && three != "(?:" && three != "(?=" && three != "(?!" && three != "(?>" &&
                        three != "(?<" && four != "(?i:" && !whole))
      refuse(four);
    result_ += '(';
    ++at_;
  }

  void plain(char c) {
    if (c == '}' && rest(2) == "}+") refuse("{...}+");
    result_ += c;
    ++at_;
  }

  std::string_view pattern_;
  const std::string& where_;
  std::string result_;
  std::size_t at_ = 0;
  bool in_set_ = false;
};

inline std::string pcre_pattern(std::string_view pattern, const std::string& where) {
  return pattern_translator(pattern, where).translate();
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
