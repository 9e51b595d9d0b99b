/// SentencePiece's precompiled table of replacements (Kudo and Richardson 2018, arXiv:1808.06226).
///
///     uint32 bytes of the trie · the trie: uint32 units of a double array (Yata's Darts-clone) · texts, each ended by
///     NUL
///
/// A key's value is where its replacement begins in the texts. A unit holds, from its lowest bit: the label in 8 bits,
/// or in a leaf the value in 31; whether a leaf follows in bit 8; whether it is a leaf in bit 31; and from bit 10 the
/// offset to its children, which is 256 times larger if bit 9 is set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "code_points.hpp"
#include "unicode.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

class charsmap {
 public:
  struct replacement {
    std::size_t length;     ///< of the key, in bytes
    std::string_view text;  ///< lives as long as this map
  };

  /// `where` begins the message if the blob is damaged. An empty blob replaces nothing.
  charsmap(std::string_view blob, const std::string& where) {
    if (blob.empty()) return;
    std::uint32_t size = 0;
    if (blob.size() >= 4) std::memcpy(&size, blob.data(), 4);
    if (blob.size() < 4 || size % 4 != 0 || size < 4 || size > blob.size() - 4)
      fail(where + ": the precompiled character map is " + text(blob.size()) + " bytes, and its trie " + text(size));
    units_.resize(size / 4);
    std::memcpy(units_.data(), blob.data() + 4, size);
    texts_ = blob.substr(4 + size);
    if (!texts_.empty() && texts_.back() != '\0') texts_ += '\0';
    if (!is_utf8(texts_)) fail(where + ": the precompiled character map holds text that is not UTF-8");
  }

  bool empty() const { return units_.empty(); }

  /// The shortest or the longest key that the text begins with. A damaged map may have keys that end within a
  /// character, and texts that begin within one. They are passed over, so that UTF-8 stays UTF-8.
  std::optional<replacement> find(std::string_view text, bool longest) const {
    std::optional<replacement> result;
    if (units_.empty()) return result;
    std::size_t at = offset_of(units_[0]);
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto label = static_cast<unsigned char>(text[i]);
      at ^= label;
      if (label == 0 || at >= units_.size() || (units_[at] & 0x800000ffu) != label) break;
      const std::uint32_t unit = units_[at];
      at ^= offset_of(unit);
      if ((unit >> 8 & 1u) == 0) continue;
      if (at >= units_.size()) break;
      const std::size_t value = units_[at] & 0x7fffffffu;
      if (value >= texts_.size()) break;
      const auto within = [](char c) { return (static_cast<unsigned char>(c) & 0xc0u) == 0x80; };
      if (within(texts_[value]) || (i + 1 < text.size() && within(text[i + 1]))) continue;
      result = replacement{i + 1, std::string_view(texts_.c_str() + value)};
      if (!longest) break;
    }
    return result;
  }

  /// As tokenizer.json's Precompiled does it: each grapheme of less than 6 bytes whose start is a key is replaced
  /// whole, by the shortest such key's text. In others, each character is looked up by itself.
  void replace_graphemes(std::string& text) const {
    if (units_.empty()) return;
    std::string result;
    result.reserve(text.size() + text.size() / 8);
    const auto replace = [&](std::string_view part) {
      const auto found = find(part, false);
      if (found) result += found->text;
      return found.has_value();
    };
    const auto cluster = [&](std::string_view grapheme) {
      if (grapheme.size() < 6 && replace(grapheme)) return;
      for (std::size_t at = 0; at < grapheme.size();) {
        const std::size_t length = code_point_at(grapheme, at).length;
        if (!replace(grapheme.substr(at, length))) result += grapheme.substr(at, length);
        at += length;
      }
    };
    const std::string_view all = text;
    // Between two ASCII characters there is a boundary, except within CR LF. So only the rest needs ICU.
    for (std::size_t at = 0; at < all.size();) {
      std::size_t end = at + 1;
      bool plain = is_ascii(all[at]);
      while (end < all.size() &&
             !(is_ascii(all[end - 1]) && is_ascii(all[end]) && !(all[end - 1] == '\r' && all[end] == '\n'))) {
        plain = plain && is_ascii(all[end]);
        ++end;
      }
      const std::string_view part = all.substr(at, end - at);
      if (plain)
        cluster(part);
      else
        for_each_grapheme(part, [&](std::size_t from, std::size_t to) { cluster(part.substr(from, to - from)); });
      at = end;
    }
    text = std::move(result);
  }

 private:
  static std::size_t offset_of(std::uint32_t unit) { return std::size_t{unit >> 10} << ((unit & 0x200u) >> 6); }

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
