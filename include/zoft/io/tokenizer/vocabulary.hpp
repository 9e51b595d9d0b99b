/// Tokens by id and by text.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/printable.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// A hash of bytes, eight at a time.
inline std::uint64_t hash_of(std::string_view text) {
  const auto mix = [](std::uint64_t x) {
    x *= 0x9e3779b97f4a7c15u;
    return x ^ (x >> 29);
  };
  std::uint64_t hash = mix(text.size() + 1), word = 0;
  while (text.size() >= 8) {
    std::memcpy(&word, text.data(), 8);
    hash = mix(hash ^ word);
    text.remove_prefix(8);
  }
  word = 0;
  std::memcpy(&word, text.data(), text.size());
  return mix(mix(hash ^ word));
}

/// The texts of tokens by id, with the ids by text. Ids may have holes. If two ids have the same text, find() gives the
/// one that was added last.
class vocabulary {
 public:
  static constexpr std::int32_t none = -1;
  /// More than any published vocabulary has. It bounds the memory that a wrong id can ask for.
  static constexpr std::size_t most = std::size_t{1} << 22;

  /// `where` begins the message if the id cannot be a token's.
  void add(std::size_t id, std::string_view text_of_token, const std::string& where) {
    if (id >= most)
      fail(where + ": token '" + printable(text_of_token) + "' has id " + text(id) + ", and must have one below " +
           text(most));
    if (texts_.size() + text_of_token.size() > UINT32_MAX) fail(where + ": the tokens are longer than 4 GiB in all");
    if (id >= entries_.size()) entries_.resize(id + 1);
    if (entries_[id].length == entry::hole) ++count_;
    entries_[id] = {static_cast<std::uint32_t>(texts_.size()), static_cast<std::uint32_t>(text_of_token.size())};
    texts_ += text_of_token;
    insert(static_cast<std::int32_t>(id));
  }

  /// One more than the greatest id.
  std::size_t size() const { return entries_.size(); }
  /// Ids that have a text.
  std::size_t count() const { return count_; }
  bool holds(std::int32_t id) const {
    return id >= 0 && static_cast<std::size_t>(id) < entries_.size() &&
           entries_[static_cast<std::size_t>(id)].length != entry::hole;
  }
  /// Needs holds(id).
  std::string_view operator[](std::int32_t id) const {
    const entry& e = entries_[static_cast<std::size_t>(id)];
    return std::string_view(texts_).substr(e.begin, e.length);
  }
  /// The id of the token of that text, or `none`.
  std::int32_t find(std::string_view wanted) const { return slots_.empty() ? none : slots_[slot_of(wanted)]; }

 private:
  struct entry {
    static constexpr std::uint32_t hole = UINT32_MAX;
    std::uint32_t begin = 0, length = hole;
  };

  /// Where the text is, or where it would be put.
  std::size_t slot_of(std::string_view wanted) const {
    std::size_t slot = hash_of(wanted) & (slots_.size() - 1);
    while (slots_[slot] != none && (*this)[slots_[slot]] != wanted) slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }
  void insert(std::int32_t id) {
    if (2 * (used_ + 1) > slots_.size()) {
      const std::vector<std::int32_t> old = std::move(slots_);
      slots_.assign(std::bit_ceil(4 * (used_ + 16)), none);
      for (const std::int32_t other : old)
        if (other != none) slots_[slot_of((*this)[other])] = other;
    }
    std::int32_t& slot = slots_[slot_of((*this)[id])];
    used_ += slot == none;
    slot = id;
  }

  std::string texts_;
  std::vector<entry> entries_;
  std::vector<std::int32_t> slots_;  // open addressing, a power of two of them
  std::size_t used_ = 0, count_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
