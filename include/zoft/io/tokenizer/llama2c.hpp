/// The tokenizer of llama2.c (Karpathy 2023): byte pair encoding with scores and byte fallback, as in SentencePiece
/// (Kudo and Richardson 2018, arXiv:1808.06226).
///
///     tokenizer.bin    uint32 longest · for each token: float32 score, int32 length, that many bytes
///
/// Token 0 is <unk>, token 1 begins a sequence (BOS), and token 2 ends one (EOS). A token written <0x0A> stands for
/// that byte.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/model_config.hpp"
#include "../file/memory_map.hpp"
#include "../file/printable.hpp"
#include "../file/utf8.hpp"

namespace zoft::inline ZOFT_ISA::io {

class llama2c_tokenizer {
 public:
  static constexpr std::int32_t unknown = 0, bos = 1, eos = 2;

  struct token {
    std::string text;
    float score = 0;
  };

  /// Reads tokens up to the end of the file. Throws, naming the file, if it is cut off, has bytes left over, or holds
  /// impossible lengths or scores.
  explicit llama2c_tokenizer(const std::string& path);

  /// Needs at least the three special tokens, non-empty texts and finite scores. If several tokens have the same text,
  /// the first is used.
  explicit llama2c_tokenizer(std::vector<token> tokens) : tokens_(std::move(tokens)) { index(); }

  std::size_t size() const { return tokens_.size(); }
  const token& operator[](std::size_t id) const { return tokens_[id]; }

  /// Puts a space in front of the text, unless it is empty. Each code point becomes the token of that text, or else the
  /// tokens of its bytes, or, if a byte has no token, one <unk>. Bytes that are not UTF-8 are taken one by one. Then,
  /// as long as the joined text of two neighbours is a token, the two whose token has the highest score become that
  /// token; the leftmost of equals. Special and byte tokens are not found by their text and are not joined. O(n log n)
  /// in the length of the text.
  std::vector<std::int32_t> encode(std::string_view text, bool with_bos = true, bool with_eos = false) const;

  /// BOS and EOS become nothing, and byte tokens become their byte. A space right after BOS is dropped, because encode
  /// puts one there. Throws if an id is not a token's.
  std::string decode(std::span<const std::int32_t> ids) const;

 private:
  struct hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  void index();
  std::optional<std::int32_t> find(std::string_view text) const {
    const auto found = text.size() > longest_ ? ids_.end() : ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<token> tokens_;
  std::unordered_map<std::string, std::int32_t, hash, std::equal_to<>> ids_;  // without special and byte tokens
  std::array<std::int32_t, 256> byte_ids_{};                                  // `unknown` if there is no such token
  std::vector<std::int16_t> bytes_;                                           // the byte of a byte token, else −1
  std::size_t longest_ = 0;
};

namespace detail {

/// The byte that a token written like <0x0A> stands for, or −1.
constexpr std::int16_t byte_of(std::string_view text) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? std::int16_t{-1} : static_cast<std::int16_t>(16 * high + low);
}

inline std::vector<llama2c_tokenizer::token> read_tokens(const std::string& path) {
  const memory_map file(path);
  const auto bytes = file.bytes();
  if (bytes.size() < 4)
    fail(path + ": is " + text(bytes.size()) + " bytes, and must begin with 4 of the longest token's length");
  const auto longest = load<std::uint32_t>(bytes, 0);
  std::vector<llama2c_tokenizer::token> result;
  for (std::size_t at = 4; at < bytes.size();) {
    const auto where = [&] { return path + ": token " + text(result.size()) + " at byte " + text(at); };
    const std::size_t left = bytes.size() - at;
    if (left < 8) fail(where() + ": " + text(left) + " bytes are left, and score and length take 8");
    const auto score = load<float>(bytes, at);
    const auto length = load<std::int32_t>(bytes, at + 4);
    if (!std::isfinite(score)) fail(where() + ": its score is " + text(score) + ", and must be finite");
    if (length < 1 || static_cast<std::size_t>(length) > left - 8)
      fail(where() + ": its length is " + text(length) + ", and must be from 1 to the " + text(left - 8) +
           " bytes that follow");
    if (static_cast<std::uint32_t>(length) > longest)
      fail(where() + ": its length is " + text(length) + ", and the longest is " + text(longest) +
           " by the file's first 4 bytes");
    const auto characters = bytes.subspan(at + 8, static_cast<std::size_t>(length));
    result.push_back({std::string(reinterpret_cast<const char*>(characters.data()), characters.size()), score});
    at += 8 + characters.size();
  }
  if (result.size() < 3)
    fail(path + ": holds " + text(result.size()) + " tokens, and must hold <unk>, BOS and EOS at least");
  return result;
}

}  // namespace detail

inline llama2c_tokenizer::llama2c_tokenizer(const std::string& path) : llama2c_tokenizer(detail::read_tokens(path)) {}

inline void llama2c_tokenizer::index() {
  require(tokens_.size() >= 3, "tokenizer: has " + text(tokens_.size()) + " tokens, and must have 3 at least");
  require(tokens_.size() <= INT32_MAX, "tokenizer: has " + text(tokens_.size()) + " tokens, more than an id can count");
  byte_ids_.fill(unknown);
  bytes_.assign(tokens_.size(), -1);
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const auto& [characters, score] = tokens_[i];
    if (characters.empty() || !std::isfinite(score))
      fail("tokenizer: token " + text(i) + " has " + text(characters.size()) + " bytes and score " + text(score) +
           ", and must have at least 1 and a finite one");
    if (i <= eos) continue;
    const auto id = static_cast<std::int32_t>(i);
    bytes_[i] = detail::byte_of(characters);
    if (bytes_[i] < 0) {
      ids_.emplace(characters, id);
      longest_ = std::max(longest_, characters.size());
    } else if (auto& first = byte_ids_[static_cast<std::size_t>(bytes_[i])]; first == unknown) {
      first = id;
    }
  }
}

inline std::vector<std::int32_t> llama2c_tokenizer::encode(std::string_view text_to_encode, bool with_bos,
                                                           bool with_eos) const {
  // A linked list of pieces of `all`, so that joining two is O(1). A piece's index is that of its first code point, so
  // a higher index is further right.
  struct piece {
    std::size_t begin, length, before, after;
    std::int32_t id;
  };
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  const std::string all = text_to_encode.empty() ? std::string() : " " + std::string(text_to_encode);
  std::vector<piece> pieces;
  pieces.reserve(all.size());
  const auto append = [&](std::size_t begin, std::size_t length, std::int32_t id) {
    pieces.push_back({begin, length, pieces.size() - 1, pieces.size() + 1, id});  // the first has `none` before it
  };
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t length = std::max<std::size_t>(code_point_length(all, at), 1);
    const std::string_view point = std::string_view(all).substr(at, length);
    const auto byte_id = [&](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
    if (const auto id = find(point))
      append(at, length, *id);
    else if (std::ranges::find(point, unknown, byte_id) != point.end())
      append(at, length, unknown);
    else
      for (std::size_t i = 0; i < length; ++i) append(at + i, 1, byte_id(point[i]));
    at += length;
  }
  if (!pieces.empty()) pieces.back().after = none;

  const auto joins = [&](const piece& p) { return p.id != unknown && bytes_[static_cast<std::size_t>(p.id)] < 0; };
  struct pair {
    float score;
    std::size_t left, right, length;
    std::int32_t id;
    bool operator<(const pair& other) const {  // the queue takes the greatest first
      return score != other.score ? score < other.score : left > other.left;
    }
  };
  std::priority_queue<pair> queue;
  const auto consider = [&](std::size_t left, std::size_t right) {
    if (left == none || right == none || !joins(pieces[left]) || !joins(pieces[right])) return;
    const std::size_t length = pieces[left].length + pieces[right].length;
    if (const auto id = find(std::string_view(all).substr(pieces[left].begin, length)))
      queue.push({tokens_[static_cast<std::size_t>(*id)].score, left, right, length, *id});
  };
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) consider(i, i + 1);
  while (!queue.empty()) {
    const pair best = queue.top();
    queue.pop();
    piece &left = pieces[best.left], &right = pieces[best.right];
    // One of the two may have been joined with another piece since. A piece only grows, and one that was absorbed has
    // length 0.
    if (left.after != best.right || left.length + right.length != best.length) continue;
    left.length = best.length;
    left.id = best.id;
    left.after = right.after;
    if (left.after != none) pieces[left.after].before = best.left;
    right = {right.begin, 0, none, none, unknown};
    consider(left.before, best.left);
    consider(best.left, left.after);
  }

  std::vector<std::int32_t> result;
  if (with_bos) result.push_back(bos);
  for (std::size_t i = pieces.empty() ? none : 0; i != none; i = pieces[i].after) result.push_back(pieces[i].id);
  if (with_eos) result.push_back(eos);
  return result;
}

inline std::string llama2c_tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string result;
  std::int32_t before = eos;
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokens_.size())
      fail("tokenizer: token " + text(id) + " is not one of the " + text(tokens_.size()) + " that there are");
    const auto i = static_cast<std::size_t>(id);
    if (bytes_[i] >= 0) {
      result += static_cast<char>(bytes_[i]);
    } else if (id != bos && id != eos) {
      const std::string_view piece = tokens_[i].text;
      result += before == bos && piece[0] == ' ' ? piece.substr(1) : piece;
    }
    before = id;
  }
  return result;
}

/// Throws if a model of that shape does not fit the tokenizer. Its vocabulary must be as large, or padded with unused
/// tokens to at most the next multiple of 128, which is done for speed.
inline void check_fits(const llama2c_tokenizer& tokens, const nn::config& shape, const std::string& tokenizer_path,
                       const std::string& model_path) {
  const std::size_t padded = (tokens.size() + 127) / 128 * 128;
  if (shape.vocabulary < tokens.size() || shape.vocabulary > padded)
    fail(tokenizer_path + ": has " + text(tokens.size()) + " tokens, and " + model_path + " has a vocabulary of " +
         text(shape.vocabulary) + ": the tokenizer must be the one that the model was trained with");
}

}  // namespace zoft::inline ZOFT_ISA::io
