/// What is done to a text before it is divided: tokenizer.json's normalizers.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "charsmap.hpp"
#include "code_points.hpp"
#include "regex.hpp"
#include "unicode.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// Throws if a stage makes far more bytes of a text than Unicode's longest decomposition, which is 11 for 1. Steps that
/// each double a text would otherwise take all memory after some thirty.
inline void check_growth(std::size_t before, std::size_t now, const char* stage) {
  constexpr std::size_t least = 1 << 16, factor = 64;
  if (now > least && now / factor > before)
    fail("tokenizer: its " + std::string(stage) + " makes " + zoft::text(now) + " bytes of a text of " +
         zoft::text(before) + ", and must make at most " + zoft::text(factor) + " of each");
}

/// Steps one after the other. Each changes the text, which is and stays UTF-8.
class normalizer {
 public:
  using step = std::function<void(std::string&)>;

  void add(step next) { steps_.push_back(std::move(next)); }
  /// Strip at the left end. After it, a text that began with white space does not begin where the input does.
  void add_left_strip(step next) {
    add(std::move(next));
    strips_left_ = true;
  }
  bool empty() const { return steps_.empty(); }
  bool moves_start(std::string_view text) const {
    return strips_left_ && !text.empty() && is_white_space(code_point_at(text, 0).value);
  }
  /// Throws if the text grows manyfold.
  void operator()(std::string& text) const {
    const std::size_t before = text.size();
    for (const step& next : steps_) {
      next(text);
      check_growth(before, text.size(), "normalizer");
    }
  }

 private:
  std::vector<step> steps_;
  bool strips_left_ = false;
};

namespace detail {

/// The text with each code point replaced by what append(result, code_point) appends.
template <class F>
void replace_each(std::string& text, F append) {
  std::string result;
  result.reserve(text.size() + text.size() / 8);
  for (std::size_t at = 0; at < text.size();) {
    const auto [c, length] = code_point_at(text, at);
    append(result, c);
    at += length;
  }
  text = std::move(result);
}

constexpr bool is_chinese(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

}  // namespace detail

inline void lowercase(std::string& text) { detail::replace_each(text, append_lower); }

inline void strip_accents(std::string& text) {
  if (find_non_ascii(text) == text.size()) return;
  detail::replace_each(text, [](std::string& out, char32_t c) {
    if (!is_mark(c)) append_code_point(out, c);
  });
}

/// BertNormalizer (Devlin et al. 2018, arXiv:1810.04805, its BasicTokenizer).
struct bert_normalizer {
  bool clean_text = true;     ///< control characters are dropped, and white space becomes a space
  bool chinese = true;        ///< a space on either side of each Chinese character
  bool strip_accents = true;  ///< of the decomposed text
  bool lowercase = true;

  void operator()(std::string& text) const {
    detail::replace_each(text, [this](std::string& out, char32_t c) {
      if (c < 0x80 && c >= 0x20 && c != 0x7f) {
        out += static_cast<char>(c);
        return;
      }
      if (clean_text) {
        const bool line = c == '\t' || c == '\n' || c == '\r';
        if (c == 0 || c == 0xfffd || (!line && is_other(c))) return;
        if (is_white_space(c)) c = ' ';
      }
      const bool apart = chinese && detail::is_chinese(c);
      if (apart) out += ' ';
      append_code_point(out, c);
      if (apart) out += ' ';
    });
    if (strip_accents && find_non_ascii(text) != text.size()) {
      nfd(text);
      detail::replace_each(text, [](std::string& out, char32_t c) {
        if (!is_nonspacing_mark(c)) append_code_point(out, c);
      });
    }
    if (lowercase) text_stage::lowercase(text);
  }

 private:
  unicode_normalizer nfd{normal_form::nfd};
};

/// Nmt: some control characters are dropped, and others become a space.
inline void nmt(std::string& text) {
  detail::replace_each(text, [](std::string& out, char32_t c) {
    if ((c >= 1 && c <= 8) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f) return;
    const bool space = c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 ||
                       (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
                       c == 0xfffd;
    append_code_point(out, space ? U' ' : c);
  });
}

/// Strip: white space at the ends.
inline void strip(std::string& text, bool left, bool right) {
  std::size_t begin = 0, end = text.size();
  while (left && begin < end) {
    const auto [c, length] = code_point_at(text, begin);
    if (!is_white_space(c)) break;
    begin += length;
  }
  while (right && end > begin) {
    const std::size_t before = begin_of_code_point_before(text, end);
    if (!is_white_space(code_point_at(text, before).value)) break;
    end = before;
  }
  text = text.substr(begin, end - begin);
}

/// Prepend: to texts that are not empty.
inline void prepend(std::string& text, const std::string& what) {
  if (!text.empty()) text.insert(0, what);
}

/// Replace, of a string.
inline void replace_string(std::string& text, const std::string& from, const std::string& to) {
  std::size_t found = from.empty() ? std::string::npos : text.find(from);
  if (found == std::string::npos) return;
  std::string result;
  result.reserve(text.size() + text.size() / 4);
  std::size_t at = 0;
  for (; found != std::string::npos; found = text.find(from, at)) {
    result.append(text, at, found - at);
    result += to;
    at = found + from.size();
  }
  result.append(text, at);
  text = std::move(result);
}

/// Replace, of a regular expression's matches.
inline void replace_pattern(std::string& text, const regex& pattern, const std::string& to) {
  std::string result;
  pattern.for_each(text, [&](std::size_t begin, std::size_t end, bool is_match) {
    if (is_match)
      result += to;
    else
      result.append(text, begin, end - begin);
  });
  text = std::move(result);
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
