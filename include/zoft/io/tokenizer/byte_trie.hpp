/// Finds which of many strings a text begins with.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// A trie of bytes, its edges in one hash table.
class byte_trie {
 public:
  static constexpr std::int32_t none = -1;

  byte_trie() { first_.fill(0); }

  /// A string that is there already gets the new value, which must not be negative. Empty strings are not added.
  void add(std::string_view key, std::int32_t value) {
    if (key.empty()) return;
    std::uint32_t node = 0;
    for (const char c : key) {
      const auto byte = static_cast<unsigned char>(c);
      std::uint32_t next = child(node, byte);
      if (next == 0) {
        next = static_cast<std::uint32_t>(values_.size());
        values_.push_back(none);
        if (node == 0)
          first_[byte] = next;
        else
          insert(edge_of(node, byte), next);
      }
      node = next;
    }
    values_[node] = value;
  }

  bool empty() const { return values_.size() == 1; }
  bool may_begin(char c) const { return first_[static_cast<unsigned char>(c)] != 0; }

  /// Calls visit(length, value) for each string that text begins with, from the shortest to the longest.
  template <class F>
  void for_each_prefix(std::string_view text, F&& visit) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = child(node, static_cast<unsigned char>(text[i]));
      if (node == 0) return;
      if (values_[node] != none) visit(i + 1, values_[node]);
    }
  }

 private:
  struct edge {
    std::uint64_t from = UINT64_MAX;  // node and byte
    std::uint32_t to = 0;
  };
  static std::uint64_t edge_of(std::uint32_t node, unsigned char byte) { return std::uint64_t{node} << 8 | byte; }

  std::uint32_t child(std::uint32_t node, unsigned char byte) const {
    if (node == 0) return first_[byte];
    return edges_.empty() ? 0 : edges_[slot_of(edge_of(node, byte))].to;
  }
  std::size_t slot_of(std::uint64_t from) const {
    const std::uint64_t hash = from * 0x9e3779b97f4a7c15u;
    std::size_t i = (hash >> 20 ^ hash >> 44) & (edges_.size() - 1);
    while (edges_[i].from != from && edges_[i].from != UINT64_MAX) i = (i + 1) & (edges_.size() - 1);
    return i;
  }
  void insert(std::uint64_t from, std::uint32_t to) {
    if (2 * (used_ + 1) > edges_.size()) {
      const std::vector<edge> old = std::move(edges_);
      edges_.assign(std::bit_ceil(4 * (used_ + 8)), {});
      for (const edge& e : old)
        if (e.from != UINT64_MAX) edges_[slot_of(e.from)] = e;
    }
    edges_[slot_of(from)] = {from, to};
    ++used_;
  }

  std::array<std::uint32_t, 256> first_;       // the children of the root, which is node 0; 0: none
  std::vector<std::int32_t> values_ = {none};  // of each node
  std::vector<edge> edges_;
  std::size_t used_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
