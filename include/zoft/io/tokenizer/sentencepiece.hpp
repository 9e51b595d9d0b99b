/// Reads SentencePiece's tokenizer.model (Kudo and Richardson 2018, arXiv:1808.06226), of types BPE and Unigram: a
/// protocol buffer, of whose fields these matter.
///
///     ModelProto      1 pieces · 2 trainer · 3 normalizer
///     SentencePiece   1 text · 2 float score · 3 type: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6
///     byte TrainerSpec     3 type: 1 unigram, 2 BPE · 24 spaces as suffix · 35 byte fallback · 40 to 43 ids of unk,
///     bos, eos, pad NormalizerSpec  2 precompiled character map · 3 dummy prefix · 4 remove extra spaces · 5 escape
///     spaces
#pragma once

#include <algorithm>
#include <array>
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
#include "../file/file_kind.hpp"
#include "../file/json.hpp"
#include "../file/memory_map.hpp"
#include "byte_trie.hpp"
#include "charsmap.hpp"
#include "pipeline.hpp"
#include "protobuf.hpp"
#include "scored_bpe.hpp"
#include "tokenizer_json.hpp"
#include "unigram.hpp"
#include "vocabulary_files.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// SentencePiece's normalizer.
struct sentencepiece_normalizer {
  bool prefix = true;        ///< a space in front of the text
  bool remove_extra = true;  ///< spaces at the ends, and all but one of several
  bool escape = true;        ///< spaces become ▁
  std::shared_ptr<const charsmap> map;
  byte_trie kept;  ///< strings that are not changed: user-defined tokens

  void operator()(std::string& text) const {
    std::string result;
    result.reserve(text.size() + text.size() / 4 + 3);
    const std::string_view space = escape ? std::string_view("\xe2\x96\x81") : std::string_view(" ");
    bool started = false, after_space = remove_extra;
    for (std::size_t at = 0; at < text.size();) {
      auto [length, part] = next(std::string_view(text).substr(at));
      at += length;
      if (!started && remove_extra && part == " ") continue;
      if (!started && prefix) result += space;
      started = true;
      while (after_space && part.starts_with(' ')) part.remove_prefix(1);
      if (part.empty()) continue;
      for (const char c : part) {
        if (c == ' ')
          result += space;
        else
          result += c;
      }
      after_space = remove_extra && part.ends_with(' ');
    }
    while (remove_extra && result.ends_with(space)) result.erase(result.size() - space.size());
    text = std::move(result);
  }

 private:
  struct replaced {
    std::size_t length;
    std::string_view text;
  };
  replaced next(std::string_view rest) const {
    std::size_t length = 0;
    kept.for_each_prefix(rest, [&](std::size_t n, std::int32_t) { length = n; });
    if (length == 0 && map != nullptr)
      if (const auto found = map->find(rest, true)) return {found->length, found->text};
    if (length == 0) length = code_point_at(rest, 0).length;
    return {length, rest.substr(0, length)};
  }
};

namespace detail {

enum class piece_type : std::uint64_t { normal = 1, unknown, control, user_defined, unused, byte };

struct sentencepiece_file {
  struct entry {
    std::string text;
    float score = 0;
    piece_type type = piece_type::normal;
  };
  std::vector<entry> pieces;
  std::uint64_t model_type = 1;
  bool byte_fallback = false, spaces_as_suffix = false;
  std::int64_t unknown = 0, bos = 1, eos = 2, pad = -1;
  sentencepiece_normalizer normalize;
};

inline sentencepiece_file::entry read_piece(std::string_view message, std::size_t number, const std::string& path) {
  const std::string where = path + ": piece " + text(number);
  protobuf reader(message, where);
  protobuf_field f;
  sentencepiece_file::entry result;
  while (reader.next(f)) {
    if (f.number == 1) result.text = f.bytes;
    if (f.number == 2) result.score = f.real();
    if (f.number == 3) {
      if (f.whole < 1 || f.whole > 6) fail(where + ": its type is " + text(f.whole) + ", and must be from 1 to 6");
      result.type = static_cast<piece_type>(f.whole);
    }
  }
  if (result.text.empty() || !is_utf8(result.text))
    fail(where + ": its text is '" + printable(result.text) + "', and must be UTF-8 of at least a byte");
  if (!std::isfinite(result.score)) fail(where + ": its score is " + text(result.score) + ", and must be finite");
  return result;
}

inline sentencepiece_file read_sentencepiece_file(std::string_view all, const std::string& path) {
  sentencepiece_file m;
  protobuf reader(all, path);
  protobuf_field f, g;
  while (reader.next(f)) {
    if (f.number == 1 && f.kind == 2) {
      m.pieces.push_back(read_piece(f.bytes, m.pieces.size(), path));
    } else if (f.number == 2 && f.kind == 2) {
      for (protobuf trainer(f.bytes, path + ": trainer_spec"); trainer.next(g);) {
        if (g.kind != 0) continue;
        const auto id = static_cast<std::int64_t>(g.whole);
        if (g.number == 3) m.model_type = g.whole;
        if (g.number == 24) m.spaces_as_suffix = g.truth();
        if (g.number == 35) m.byte_fallback = g.truth();
        if (g.number == 40) m.unknown = id;
        if (g.number == 41) m.bos = id;
        if (g.number == 42) m.eos = id;
        if (g.number == 43) m.pad = id;
      }
    } else if (f.number == 3 && f.kind == 2) {
      for (protobuf spec(f.bytes, path + ": normalizer_spec"); spec.next(g);) {
        if (g.number == 2) m.normalize.map = std::make_shared<const charsmap>(g.bytes, path);
        if (g.number == 3) m.normalize.prefix = g.truth();
        if (g.number == 4) m.normalize.remove_extra = g.truth();
        if (g.number == 5) m.normalize.escape = g.truth();
      }
    }
  }
  return m;
}

/// ▁ to spaces, byte tokens to bytes, and, if the normalizer puts a space in front, without it.
inline void add_sentencepiece_decoders(pipeline& p, bool prefix) {
  p.decode.add([](decoder::texts& tokens) {
    for (std::string& token : tokens) replace_string(token, "\xe2\x96\x81", " ");
  });
  p.decode.add(decode_byte_fallback);
  p.decode.add(fuse);
  if (prefix) p.decode.add([](decoder::texts& tokens) { decode_strip(tokens, " ", 1, 0); });
}

/// Whether the tokenizer of that class puts BOS before and EOS after a text, unless its configuration says otherwise.
struct sentencepiece_class {
  std::string_view name;
  bool bos, eos;
};
inline constexpr std::array<sentencepiece_class, 6> sentencepiece_classes{{{"", false, false},
                                                                           {"LlamaTokenizer", true, false},
                                                                           {"CodeLlamaTokenizer", true, false},
                                                                           {"GemmaTokenizer", true, false},
                                                                           {"T5Tokenizer", false, true},
                                                                           {"PreTrainedTokenizer", false, false}}};

}  // namespace detail

/// tokenizer.model. Control tokens that are written in a text are found there, as Hugging Face finds them;
/// SentencePiece itself does not. The tokenizer_config.json beside it says what is put around a text.
inline pipeline read_sentencepiece(const std::string& path, const std::string& folder) {
  using detail::piece_type;
  const memory_map file(path);
  if (const std::string_view kind = file_kind(file.bytes()); !kind.empty())
    fail(path + ": is " + std::string(kind) + ", and must be a SentencePiece model");
  const std::string_view all(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  detail::sentencepiece_file m = detail::read_sentencepiece_file(all, path);
  if (m.model_type != 1 && m.model_type != 2)
    fail(path + ": its model type is " + text(m.model_type) + ", and must be 1 (unigram) or 2 (BPE)");
  if (m.spaces_as_suffix) fail(path + ": treat_whitespace_as_suffix is true, and must be false");
  if (m.pieces.empty()) fail(path + ": has no pieces");

  pipeline p;
  std::optional<std::int32_t> unknown;
  std::vector<float> scores;
  std::vector<bool> joins;
  for (std::size_t i = 0; i < m.pieces.size(); ++i) {
    const auto& [piece, score, type] = m.pieces[i];
    p.words.add(i, piece, path);
    if (type == piece_type::unknown) unknown = static_cast<std::int32_t>(i);
    if (type == piece_type::user_defined) m.normalize.kept.add(piece, static_cast<std::int32_t>(i));
    if (type == piece_type::unused && m.model_type == 2)
      fail(path + ": piece " + text(i) + " is unused, and BPE models with unused pieces are not supported");
    scores.push_back(score);
    joins.push_back(type == piece_type::normal || type == piece_type::user_defined);
  }
  if (!unknown) fail(path + ": has no piece of type unknown");

  if (m.model_type == 2) {
    bpe::settings how;
    how.byte_fallback = m.byte_fallback;
    how.fuse_unknown = true;
    how.unknown = *unknown;
    p.model = std::make_shared<model_of<bpe>>(scored_bpe(p.words, scores, joins, how));
  } else {
    std::vector<unigram::token> tokens;
    for (const auto& [piece, score, type] : m.pieces) {
      unigram::token token{piece, static_cast<double>(score), type == piece_type::normal, type == piece_type::normal};
      if (type == piece_type::user_defined) {
        token.in_text = true;
        // Better than any other division of the same text, and best in one piece.
        token.score = static_cast<float>(0.1 * static_cast<double>(piece.size() - 1));
      }
      tokens.push_back(std::move(token));
    }
    unigram::settings how;
    how.unknown = *unknown;
    how.byte_fallback = m.byte_fallback;
    how.single_precision = true;
    how.finds_unknown = false;
    p.model = std::make_shared<model_of<unigram>>(unigram(p.words, tokens, how));
  }

  p.normalize.add(m.normalize);
  for (std::size_t i = 0; i < m.pieces.size(); ++i) {
    const auto& [piece, score, type] = m.pieces[i];
    added_token token;
    token.text = piece;
    token.id = static_cast<std::int32_t>(i);
    token.special = type == piece_type::control;
    if (type == piece_type::control) p.raw.add(token, piece);
    if (type == piece_type::user_defined && m.model_type == 2) p.normalized.add(token, piece);
    if (type == piece_type::control || type == piece_type::unknown) p.special_texts.insert(piece);
  }
  detail::add_sentencepiece_decoders(p, m.normalize.prefix);

  const auto id_of = [&](std::int64_t id) {
    return id >= 0 && static_cast<std::size_t>(id) < m.pieces.size() ? std::optional(static_cast<std::int32_t>(id))
                                                                     : std::nullopt;
  };
  const std::string config_path = folder + "/tokenizer_config.json";
  const json config = config_beside(folder, "tokenizer_config.json");
  detail::add_listed_tokens(p, config, config_path);
  p.special.unknown = unknown;
  p.special.bos = id_of(m.bos);
  p.special.eos = id_of(m.eos);
  p.special.pad = id_of(m.pad);
  read_special_tokens(p, folder);

  const std::string name = detail::tokenizer_class(config, config_path);
  const auto known = std::ranges::find(detail::sentencepiece_classes, name, &detail::sentencepiece_class::name);
  if (known == detail::sentencepiece_classes.end())
    fail(config_path + ": tokenizer_class is '" + printable(name) +
         "', and tokenizer.model is read as LlamaTokenizer, CodeLlamaTokenizer, GemmaTokenizer or T5Tokenizer");
  const fields options(config, config_path);
  if (options.boolean("add_bos_token", known->bos) && p.special.bos) p.before = {*p.special.bos};
  if (options.boolean("add_eos_token", known->eos) && p.special.eos) p.after = {*p.special.eos};
  return p;
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
