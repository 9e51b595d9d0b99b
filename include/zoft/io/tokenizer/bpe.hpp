/// Byte pair encoding (Sennrich, Haddow and Birch 2016, arXiv:1508.07909): a word begins as its smallest pieces, and as
/// long as two neighbours can be merged, the pair of the lowest rank is; the leftmost of equals.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "bytes_as_characters.hpp"
#include "code_points.hpp"
#include "vocabulary.hpp"
#include "word_cache.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// Which pairs can be merged, into what.
class merge_table {
 public:
  static constexpr std::uint32_t never = UINT32_MAX;
  struct merge {
    std::uint32_t rank = never;
    std::int32_t id = -1;
  };

  explicit merge_table(std::size_t expected = 0) : slots_(std::bit_ceil(2 * expected + 2)) {}

  /// If the pair is there already, the new merge replaces it. At most as many as were expected.
  void add(std::int32_t left, std::int32_t right, merge m) {
    slots_[slot_of(key(left, right))] = {key(left, right), m};
  }
  merge find(std::int32_t left, std::int32_t right) const { return slots_[slot_of(key(left, right))].value; }

 private:
  static constexpr std::uint64_t empty = UINT64_MAX;
  struct slot {
    std::uint64_t pair = empty;
    merge value;
  };
  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot_of(std::uint64_t pair) const {
    std::uint64_t hash = pair * 0x9e3779b97f4a7c15u;
    std::size_t i = (hash ^ hash >> 32) & (slots_.size() - 1);
    while (slots_[i].pair != pair && slots_[i].pair != empty) i = (i + 1) & (slots_.size() - 1);
    return i;
  }
  std::vector<slot> slots_;
};

class bpe {
 public:
  struct settings {
    bool byte_level = false;     ///< the smallest pieces are bytes, written as bytes_as_characters.hpp says
    bool byte_fallback = false;  ///< a character without a token becomes the tokens of its bytes, like <0x0A>
    bool ignore_merges = false;  ///< a word that is a token becomes it
    bool fuse_unknown = false;   ///< neighbours without tokens become one unknown
    std::int32_t unknown = vocabulary::none;  ///< none: what has no token is left out
  };
  /// What encode() works in, a thread's own.
  struct memory {
    word_cache cache;
    std::vector<std::int32_t> symbols, products, found;
    std::vector<std::uint32_t> ranks, before, after;
    std::vector<std::uint64_t> heap;
  };

  bpe() = default;

  /// `parts` are characters that are no tokens, but parts of some: merges may name the i-th by the id words.size() + i.
  bpe(const vocabulary& words, settings how, merge_table merges, std::u32string parts = {})
      : how_(how),
        merges_(std::move(merges)),
        parts_(std::move(parts)),
        known_(static_cast<std::int32_t>(words.size())) {
    bytes_.fill(vocabulary::none);
    for (unsigned b = 0; b < 256; ++b) {
      const char raw = static_cast<char>(static_cast<unsigned char>(b));
      bytes_[b] = words.find(how.byte_level ? token_of_bytes({&raw, 1}) : token_of_byte(b));
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      if (!words.holds(id) || words.find(words[id]) != id) continue;
      const std::string_view token = words[id];
      note_boundaries(token);
      if (!how.byte_level && !token.empty() && code_point_at(token, 0).length == token.size())
        characters_.emplace(code_point_at(token, 0).value, id);
      if (!how.ignore_merges) continue;
      if (!how.byte_level)
        whole_.add(i, token, "");
      else if (const auto bytes = bytes_of_token(token))
        whole_.add(i, *bytes, "");
    }
    for (std::size_t i = 0; i < parts_.size(); ++i)
      characters_.emplace(parts_[i], known_ + static_cast<std::int32_t>(i));
    const auto marked = characters_.find(mark);
    divides_ = !how.byte_level && !how.ignore_merges && mark_only_begins_ && marked != characters_.end();
    for (char32_t c = 0; c < ascii_.size(); ++c) {
      const auto found = characters_.find(c);
      ascii_[c] = found == characters_.end() ? vocabulary::none : found->second;
    }
  }

  /// Appends the ids of the piece, which is UTF-8.
  void encode(std::string_view piece, std::vector<std::int32_t>& ids, memory& m) const {
    if (!divides_) return encode_word(piece, ids, m);
    // No token has a ▁ behind anything but ▁, so no merge reaches over such a place, and the words are independent.
    for (std::size_t begin = 0; begin < piece.size();) {
      std::size_t end = begin;
      while (piece.substr(end).starts_with(mark_bytes)) end += mark_bytes.size();
      end = std::min(piece.find(mark_bytes, end), piece.size());
      encode_word(piece.substr(begin, end - begin), ids, m);
      begin = end;
    }
  }

 private:
  static constexpr char32_t mark = 0x2581;
  static constexpr std::string_view mark_bytes = "\xe2\x96\x81";

  void note_boundaries(std::string_view token) {
    std::size_t begin = 0;
    while (token.substr(begin).starts_with(mark_bytes)) begin += mark_bytes.size();
    if (token.find(mark_bytes, begin) != std::string_view::npos) mark_only_begins_ = false;
  }

  void encode_word(std::string_view word, std::vector<std::int32_t>& ids, memory& m) const {
    m.cache.append(word, ids, m.found, [&] {
      if (const std::int32_t id = how_.ignore_merges ? whole_.find(word) : vocabulary::none; id != vocabulary::none) {
        m.found.push_back(id);
        return;
      }
      divide(word, m.symbols);
      if (m.symbols.size() <= 48)
        merge_few(m);
      else
        merge_many(m);
      finish(m);
    });
  }

  /// The smallest pieces.
  void divide(std::string_view word, std::vector<std::int32_t>& symbols) const {
    symbols.clear();
    if (how_.byte_level) {
      for (const char c : word)
        if (const std::int32_t id = bytes_[static_cast<unsigned char>(c)]; id != vocabulary::none)
          symbols.push_back(id);
      return;
    }
    // An unknown is held back until the next character that has a token of its own. Byte tokens pass it.
    std::size_t unknowns = 0;
    const auto flush = [&] {
      if (unknowns > 0) symbols.insert(symbols.end(), how_.fuse_unknown ? 1 : unknowns, how_.unknown);
      unknowns = 0;
    };
    for (std::size_t at = 0; at < word.size();) {
      const auto [c, length] = code_point_at(word, at);
      std::int32_t id = vocabulary::none;
      if (c < ascii_.size())
        id = ascii_[c];
      else if (const auto found = characters_.find(c); found != characters_.end())
        id = found->second;
      if (id != vocabulary::none) {
        flush();
        symbols.push_back(id);
      } else if (how_.byte_fallback && has_bytes(word.substr(at, length))) {
        if (!how_.fuse_unknown && unknowns > 1) {
          symbols.insert(symbols.end(), unknowns - 1, how_.unknown);
          unknowns = 1;
        }
        for (const char b : word.substr(at, length)) symbols.push_back(bytes_[static_cast<unsigned char>(b)]);
      } else if (how_.unknown != vocabulary::none) {
        ++unknowns;
      }
      at += length;
    }
    flush();
  }
  bool has_bytes(std::string_view character) const {
    return std::ranges::none_of(character,
                                [&](char b) { return bytes_[static_cast<unsigned char>(b)] == vocabulary::none; });
  }

  /// Looks at all pairs each time. For few symbols this is faster than a heap.
  void merge_few(memory& m) const {
    auto& s = m.symbols;
    std::size_t n = s.size();
    m.ranks.assign(n, merge_table::never);
    m.products.assign(n, 0);
    const auto look = [&](std::size_t i) {
      const auto found = merges_.find(s[i], s[i + 1]);
      m.ranks[i] = found.rank;
      m.products[i] = found.id;
    };
    for (std::size_t i = 0; i + 1 < n; ++i) look(i);
    while (n > 1) {
      std::size_t best = 0;
      for (std::size_t i = 1; i + 1 < n; ++i)
        if (m.ranks[i] < m.ranks[best]) best = i;
      if (m.ranks[best] == merge_table::never) break;
      s[best] = m.products[best];
      for (std::size_t i = best + 1; i + 1 < n; ++i) {
        s[i] = s[i + 1];
        m.ranks[i] = m.ranks[i + 1];
        m.products[i] = m.products[i + 1];
      }
      --n;
      if (best + 1 < n)
        look(best);
      else
        m.ranks[best] = merge_table::never;
      if (best > 0) look(best - 1);
    }
    s.resize(n);
  }

  /// A linked list and a heap: O(n log n).
  void merge_many(memory& m) const {
    auto& s = m.symbols;
    constexpr std::uint32_t end = UINT32_MAX;
    const auto n = static_cast<std::uint32_t>(s.size());
    m.before.resize(n);
    m.after.resize(n);
    m.heap.clear();
    const auto push = [&](std::uint32_t left) {
      if (m.after[left] == end) return;
      const auto found = merges_.find(s[left], s[m.after[left]]);
      if (found.rank == merge_table::never) return;
      m.heap.push_back(std::uint64_t{found.rank} << 32 | left);
      std::push_heap(m.heap.begin(), m.heap.end(), std::greater<>());
    };
    for (std::uint32_t i = 0; i < n; ++i) {
      m.before[i] = i - 1;  // the first has `end`
      m.after[i] = i + 1 < n ? i + 1 : end;
    }
    for (std::uint32_t i = 0; i + 1 < n; ++i) push(i);
    while (!m.heap.empty()) {
      const std::uint64_t top = m.heap.front();
      std::pop_heap(m.heap.begin(), m.heap.end(), std::greater<>());
      m.heap.pop_back();
      const auto left = static_cast<std::uint32_t>(top);
      // One of the two may have been merged with another since.
      if (s[left] == vocabulary::none || m.after[left] == end) continue;
      const std::uint32_t right = m.after[left];
      const auto now = merges_.find(s[left], s[right]);
      if (now.rank != top >> 32) continue;
      s[left] = now.id;
      s[right] = vocabulary::none;
      m.after[left] = m.after[right];
      if (m.after[left] != end) m.before[m.after[left]] = left;
      if (m.before[left] != end) push(m.before[left]);
      push(left);
    }
    std::erase(s, vocabulary::none);
  }

  /// Symbols to ids: a part that was not merged becomes its bytes or the unknown.
  void finish(memory& m) const {
    if (parts_.empty()) {
      m.found.assign(m.symbols.begin(), m.symbols.end());
      return;
    }
    for (std::int32_t id : m.symbols) {
      if (id >= known_) {
        std::string character;
        append_code_point(character, parts_[static_cast<std::size_t>(id - known_)]);
        id = how_.unknown;
        if (how_.byte_fallback && has_bytes(character)) {
          for (const char b : character) m.found.push_back(bytes_[static_cast<unsigned char>(b)]);
          continue;
        }
      }
      const bool fused = id == how_.unknown && how_.fuse_unknown && !m.found.empty() && m.found.back() == id;
      if (id != vocabulary::none && !fused) m.found.push_back(id);
    }
  }

  settings how_;
  merge_table merges_;
  std::u32string parts_;
  vocabulary whole_;  // with ignore_merges: bytes of words
  std::unordered_map<char32_t, std::int32_t> characters_;
  std::array<std::int32_t, 128> ascii_{};
  std::array<std::int32_t, 256> bytes_{};
  bool mark_only_begins_ = true, divides_ = false;
  std::int32_t known_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
