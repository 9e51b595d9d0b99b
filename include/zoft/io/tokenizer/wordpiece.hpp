/// WordPiece (Schuster and Nakajima 2012; Wu et al. 2016, arXiv:1609.08144): a word is divided from its left, each time
/// by the longest token that fits; all but the first are written with a prefix, as ##ing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "../../core/config.hpp"
#include "code_points.hpp"
#include "vocabulary.hpp"
#include "word_cache.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

class wordpiece {
 public:
  struct settings {
    std::int32_t unknown = 0;        ///< what a word that cannot be divided becomes
    std::string prefix = "##";       ///< of tokens that continue a word
    std::size_t longest_word = 100;  ///< in characters; longer words are unknown
  };
  struct memory {
    word_cache cache;
    std::vector<std::int32_t> found;
  };

  wordpiece() = default;
  wordpiece(const vocabulary& words, settings how) : how_(std::move(how)) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      if (!words.holds(id) || words.find(words[id]) != id) continue;
      const std::string_view token = words[id];
      longest_ = std::max(longest_, token.size());
      starts_.add(i, token, "");
      if (token.starts_with(how_.prefix)) continues_.add(i, token.substr(how_.prefix.size()), "");
    }
  }

  /// Appends the ids of the piece, which is UTF-8.
  void encode(std::string_view word, std::vector<std::int32_t>& ids, memory& m) const {
    m.cache.append(word, ids, m.found, [&] {
      if (!divide(word, m.found)) m.found.assign(1, how_.unknown);
    });
  }

 private:
  bool divide(std::string_view word, std::vector<std::int32_t>& found) const {
    const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
    if (static_cast<std::size_t>(std::ranges::count_if(word, begins)) > how_.longest_word) return false;
    for (std::size_t begin = 0; begin < word.size();) {
      const vocabulary& tokens = begin == 0 ? starts_ : continues_;
      std::size_t end = std::min(word.size(), begin + longest_);
      std::int32_t id = vocabulary::none;
      for (;; --end) {
        if (end == begin) return false;
        if (end < word.size() && !begins(word[end])) continue;
        id = tokens.find(word.substr(begin, end - begin));
        if (id != vocabulary::none) break;
      }
      found.push_back(id);
      begin = end;
    }
    return true;
  }

  settings how_;
  vocabulary starts_, continues_;
  std::size_t longest_ = 0;
};

/// WordLevel: each word is a token, or unknown.
class word_level {
 public:
  struct memory {};

  word_level(const vocabulary& words, std::int32_t unknown) : words_(words), unknown_(unknown) {}

  void encode(std::string_view word, std::vector<std::int32_t>& ids, memory&) const {
    const std::int32_t id = words_.find(word);
    if (id != vocabulary::none)
      ids.push_back(id);
    else if (unknown_ != vocabulary::none)
      ids.push_back(unknown_);
  }

 private:
  vocabulary words_;
  std::int32_t unknown_;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
