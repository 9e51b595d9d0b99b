/// SentencePiece's byte pair encoding: any two neighbours whose joined text is a token can be merged, and the best
/// score goes first. Here the scores become ranks of merges.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "bpe.hpp"
#include "code_points.hpp"
#include "vocabulary.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// `joins[id]` is whether text can become that token by merging; `scores` are finite. The tokens must be UTF-8.
inline bpe scored_bpe(const vocabulary& words, const std::vector<float>& scores, const std::vector<bool>& joins,
                      bpe::settings how) {
  std::vector<float> order;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (joins[i]) order.push_back(scores[i]);
  std::ranges::sort(order, std::greater<>());
  order.erase(std::unique(order.begin(), order.end()), order.end());

  struct pair {
    std::int32_t left, right;
    merge_table::merge result;
  };
  std::vector<pair> pairs;
  std::u32string parts;
  std::unordered_map<char32_t, std::int32_t> part_ids;
  // A token, or a single character. Only those can be neighbours.
  const auto symbol = [&](std::string_view text) {
    const std::int32_t id = words.find(text);
    if (id != vocabulary::none && joins[static_cast<std::size_t>(id)]) return id;
    const auto [c, length] = code_point_at(text, 0);
    if (length != text.size()) return vocabulary::none;
    if (id != vocabulary::none) return id;
    const auto [place, fresh] = part_ids.emplace(c, static_cast<std::int32_t>(words.size() + parts.size()));
    if (fresh) parts += c;
    return place->second;
  };
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    if (!joins[i] || words.find(words[id]) != id) continue;
    const std::string_view token = words[id];
    const auto rank =
        static_cast<std::uint32_t>(std::ranges::lower_bound(order, scores[i], std::greater<>()) - order.begin());
    for (std::size_t at = token.empty() ? 0 : code_point_at(token, 0).length; at < token.size();
         at += code_point_at(token, at).length) {
      const std::int32_t left = symbol(token.substr(0, at)), right = symbol(token.substr(at));
      if (left != vocabulary::none && right != vocabulary::none) pairs.push_back({left, right, {rank, id}});
    }
  }
  merge_table merges(pairs.size());
  for (const pair& p : pairs) merges.add(p.left, p.right, p.result);
  return bpe(words, how, std::move(merges), std::move(parts));
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
