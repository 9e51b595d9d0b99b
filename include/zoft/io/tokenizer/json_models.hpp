/// The model of a tokenizer.json: BPE, WordPiece, Unigram or WordLevel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/json.hpp"
#include "bpe.hpp"
#include "pipeline.hpp"
#include "unigram.hpp"
#include "vocabulary.hpp"
#include "wordpiece.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

namespace detail {

/// Adds the tokens of an object {token: id}.
inline void add_vocabulary(vocabulary& words, const json& object, const std::string& where) {
  if (!object.is_object()) fail(where + ": is " + shown(object) + ", and must be an object of ids");
  for (const auto& [token, id] : object.get_ref<const json::object_t&>()) {
    const auto* number = id.get_ptr<const json::number_unsigned_t*>();
    if (number == nullptr)
      fail(where + ": the id of '" + printable(token) + "' is " + shown(id) + ", and must be a whole number");
    words.add(static_cast<std::size_t>(std::min<std::uint64_t>(*number, vocabulary::most)), token, where);
  }
  if (words.size() == 0) fail(where + ": is empty");
}

/// The id of a token that the model needs, or none if the name is empty.
inline std::int32_t id_of(const vocabulary& words, const std::string& token, const char* what,
                          const std::string& where) {
  if (token.empty()) return vocabulary::none;
  const std::int32_t id = words.find(token);
  if (id == vocabulary::none)
    fail(where + ": " + what + " is '" + printable(token) + "', which is not in the vocabulary");
  return id;
}

}  // namespace detail

/// Merges in the order of their ranks. Each must be of two tokens whose texts together are a third's.
class merge_list {
 public:
  merge_list(const vocabulary& words, std::size_t count) : words_(words), table_(count) {}

  void add(std::string_view left, std::string_view right, const std::string& where) {
    const std::int32_t a = words_.find(left), b = words_.find(right);
    whole_.assign(left);
    whole_ += right;
    const std::int32_t id = words_.find(whole_);
    if (a == vocabulary::none || b == vocabulary::none || id == vocabulary::none)
      fail(where + ": merge " + text(rank_) + " is of '" + printable(left) + "' and '" + printable(right) + "', and '" +
           printable(a == vocabulary::none   ? left
                     : b == vocabulary::none ? right
                                             : std::string_view(whole_)) +
           "' is not in the vocabulary");
    table_.add(a, b, {rank_++, id});
  }
  merge_table take() { return std::move(table_); }

 private:
  const vocabulary& words_;
  merge_table table_;
  std::uint32_t rank_ = 0;
  std::string whole_;
};

inline void read_bpe(pipeline& p, const json& value, bool byte_level, const std::string& where) {
  const fields given(value, where);
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!given.string(name, "").empty()) given.refuse(name, "empty");
  if (const json* dropout = given.find("dropout"); dropout != nullptr && *dropout != 0.0)
    given.refuse("dropout", "0 or null");
  const json *words = given.find("vocab"), *merges = given.find("merges");
  if (words == nullptr) given.refuse("vocab", "an object of ids");
  if (merges == nullptr || !merges->is_array()) given.refuse("merges", "a list");
  detail::add_vocabulary(p.words, *words, where + ": vocab");
  merge_list list(p.words, merges->size());
  for (const json& merge : *merges) {
    if (const auto* line = merge.get_ptr<const json::string_t*>()) {
      const std::size_t space = line->find(' ');
      if (space == std::string::npos || line->find(' ', space + 1) != std::string::npos)
        fail(where + ": a merge is " + shown(merge) + ", and must be two tokens with a space between them");
      list.add(std::string_view(*line).substr(0, space), std::string_view(*line).substr(space + 1), where);
    } else {
      if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string())
        fail(where + ": a merge is " + shown(merge) + ", and must be two tokens");
      list.add(merge[0].get_ref<const json::string_t&>(), merge[1].get_ref<const json::string_t&>(), where);
    }
  }
  bpe::settings how;
  how.byte_level = byte_level;
  how.byte_fallback = given.boolean("byte_fallback", false);
  how.ignore_merges = given.boolean("ignore_merges", false);
  how.fuse_unknown = given.boolean("fuse_unk", false);
  how.unknown = detail::id_of(p.words, given.string("unk_token", ""), "unk_token", where);
  if (how.unknown != vocabulary::none) p.special.unknown = how.unknown;
  p.model = std::make_shared<model_of<bpe>>(bpe(p.words, how, list.take()));
}

inline void read_wordpiece(pipeline& p, const json& value, const std::string& where) {
  const fields given(value, where);
  const json* words = given.find("vocab");
  if (words == nullptr) given.refuse("vocab", "an object of ids");
  detail::add_vocabulary(p.words, *words, where + ": vocab");
  wordpiece::settings how;
  how.unknown = detail::id_of(p.words, given.string("unk_token"), "unk_token", where);
  how.prefix = given.string("continuing_subword_prefix", "##");
  how.longest_word = given.whole("max_input_chars_per_word", 1, 1'000'000, 100);
  p.special.unknown = how.unknown;
  p.model = std::make_shared<model_of<wordpiece>>(wordpiece(p.words, how));
}

inline void read_word_level(pipeline& p, const json& value, const std::string& where) {
  const fields given(value, where);
  const json* words = given.find("vocab");
  if (words == nullptr) given.refuse("vocab", "an object of ids");
  detail::add_vocabulary(p.words, *words, where + ": vocab");
  const std::int32_t unknown = p.words.find(given.string("unk_token", "<unk>"));
  if (unknown != vocabulary::none) p.special.unknown = unknown;
  p.model = std::make_shared<model_of<word_level>>(word_level(p.words, unknown));
}

inline void read_unigram(pipeline& p, const json& value, const std::string& where) {
  const fields given(value, where);
  const json* list = given.find("vocab");
  if (list == nullptr || !list->is_array() || list->empty()) given.refuse("vocab", "a list of tokens and scores");
  std::vector<unigram::token> tokens;
  for (const json& pair : *list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_number() ||
        !std::isfinite(pair[1].get<double>()))
      fail(where + ": vocab: token " + text(tokens.size()) + " is " + shown(pair) + ", and must be a text and a score");
    p.words.add(tokens.size(), pair[0].get_ref<const json::string_t&>(), where + ": vocab");
    tokens.push_back({pair[0].get<std::string>(), pair[1].get<double>()});
  }
  unigram::settings how;
  // Without it a character that has no token could not be encoded.
  how.unknown = static_cast<std::int32_t>(given.whole("unk_id", 0, tokens.size() - 1));
  how.byte_fallback = given.boolean("byte_fallback", false);
  p.special.unknown = how.unknown;
  p.model = std::make_shared<model_of<unigram>>(unigram(p.words, tokens, how));
}

/// Files of older versions leave out the type, which the fields tell.
inline void read_model(pipeline& p, const json& value, bool byte_level, const std::string& where) {
  const fields given(value, where);
  const json* words = given.find("vocab");
  const std::string type = given.string("type", given.find("merges") != nullptr                     ? "BPE"
                                                : words != nullptr && words->is_array()             ? "Unigram"
                                                : given.find("max_input_chars_per_word") != nullptr ? "WordPiece"
                                                                                                    : "WordLevel");
  if (byte_level && type != "BPE") fail(where + ": its type is '" + printable(type) + "', and ByteLevel needs BPE");
  if (type == "BPE") return read_bpe(p, value, byte_level, where);
  if (type == "WordPiece") return read_wordpiece(p, value, where);
  if (type == "Unigram") return read_unigram(p, value, where);
  if (type == "WordLevel") return read_word_level(p, value, where);
  fail(where + ": the type '" + printable(type) + "' is not supported");
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
