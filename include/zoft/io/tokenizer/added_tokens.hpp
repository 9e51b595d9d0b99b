/// Tokens that are found in the text before anything else: special ones, and those that a user added.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "byte_trie.hpp"
#include "code_points.hpp"
#include "unicode.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

struct added_token {
  std::string text;
  std::int32_t id = 0;
  bool single_word = false;  ///< not within a word
  bool left_strip = false;   ///< takes the white space before it
  bool right_strip = false;  ///< takes the white space after it
  bool normalized = false;   ///< is looked for in the normalized text, as what it is when normalized itself
  bool special = false;      ///< left out by decode()
};

/// Finds the leftmost of some tokens, and the longest of those.
class added_tokens {
 public:
  /// `pattern` is what is looked for: the token's text, perhaps normalized.
  void add(added_token token, std::string_view pattern) {
    trie_.add(pattern, static_cast<std::int32_t>(tokens_.size()));
    tokens_.push_back(std::move(token));
  }
  bool empty() const { return trie_.empty(); }

  /// Calls visit(begin, end, token) from left to right, so that the parts cover the text: null is no token. Without
  /// `special`, special tokens are text like any other.
  template <class F>
  void for_each(std::string_view text, bool special, F&& visit) const {
    std::size_t covered = 0;
    for (std::size_t at = 0; at < text.size();) {
      if (!trie_.may_begin(text[at])) {
        ++at;
        continue;
      }
      std::size_t length = 0;
      std::int32_t place = byte_trie::none;
      trie_.for_each_prefix(text.substr(at), [&](std::size_t n, std::int32_t value) {
        length = n;
        place = value;
      });
      if (place == byte_trie::none) {
        ++at;
        continue;
      }
      const added_token& token = tokens_[static_cast<std::size_t>(place)];
      std::size_t begin = at, end = at + length;
      at = end;
      if (token.special && !special) continue;
      if (token.single_word && ((begin > 0 && is_word(last_of(text.substr(0, begin)))) ||
                                (end < text.size() && is_word(code_point_at(text, end).value))))
        continue;
      while (token.left_strip && begin > covered && is_white_space(last_of(text.substr(0, begin))))
        begin = begin_of_code_point_before(text, begin);
      while (token.right_strip && end < text.size()) {
        const auto [c, n] = code_point_at(text, end);
        if (!is_white_space(c)) break;
        end += n;
      }
      if (covered < begin) visit(covered, begin, static_cast<const added_token*>(nullptr));
      visit(begin, end, &token);
      covered = end;
      at = std::max(at, end);
    }
    if (covered < text.size()) visit(covered, text.size(), static_cast<const added_token*>(nullptr));
  }

 private:
  static char32_t last_of(std::string_view text) {
    return code_point_at(text, begin_of_code_point_before(text, text.size())).value;
  }

  byte_trie trie_;
  std::vector<added_token> tokens_;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
