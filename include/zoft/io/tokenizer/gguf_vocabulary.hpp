/// Reads the tokenizer inside a GGUF file of llama.cpp's. Keys begin with "tokenizer.ggml.":
///
///     model           llama: SentencePiece's BPE with scores · gpt2: byte-level BPE · bert: WordPiece
///     tokens          texts, by id · scores · merges "a b" · token_type as in SentencePiece
///     pre             the pattern that divides a text (gpt2)
///     add_…, …_id     what goes around a text, and ids of special tokens
///
/// and tokenizer.chat_template.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/gguf.hpp"
#include "gguf_patterns.hpp"
#include "json_models.hpp"
#include "pipeline.hpp"
#include "scored_bpe.hpp"
#include "sentencepiece.hpp"
#include "vocabulary_files.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

namespace detail {

/// What all kinds of tokenizers have in a GGUF file.
class gguf_reader {
 public:
  explicit gguf_reader(const gguf& given) : file(given), tokens(given.strings(key("tokens"))) {
    if (tokens.empty()) file.refuse(key("tokens"), "a list of at least one token");
    types.assign(tokens.size(), static_cast<std::int32_t>(piece_type::normal));
    if (file.find(key("token_type")) != nullptr) types = file.integers(key("token_type"));
    if (types.size() != tokens.size()) file.refuse(key("token_type"), "one for each of the tokens");
    for (std::size_t i = 0; i < tokens.size(); ++i)
      if (!is_utf8(tokens[i]))
        fail(file.path() + ": token " + text(i) + " is '" + printable(tokens[i]) + "', and must be UTF-8");
  }

  static std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }
  std::optional<std::int32_t> id(std::string_view name) const {
    if (file.find(key(name)) == nullptr) return std::nullopt;
    return static_cast<std::int32_t>(file.whole(key(name), 0, tokens.size() - 1));
  }
  bool is(std::size_t i, piece_type type) const { return types[i] == static_cast<std::int32_t>(type); }

  /// Token i as one to be found in texts, if it is special or user-defined.
  void add_if_special(pipeline& p, std::size_t i, const std::string& name) const {
    const bool special = is(i, piece_type::control) || is(i, piece_type::unknown);
    if (name.empty() || !(special || is(i, piece_type::user_defined))) return;
    added_token token;
    token.text = name;
    token.id = static_cast<std::int32_t>(i);
    token.special = special;
    p.raw.add(token, name);
    if (special) p.special_texts.insert(name);
  }

  const gguf& file;
  std::vector<std::string_view> tokens;
  std::vector<std::int32_t> types;
};

inline void read_gguf_llama(pipeline& p, const gguf_reader& g) {
  std::vector<float> scores = g.file.reals(g.key("scores"));
  if (scores.size() != g.tokens.size()) g.file.refuse(g.key("scores"), "one for each of the tokens");
  std::vector<bool> joins;
  for (std::size_t i = 0; i < g.tokens.size(); ++i) {
    if (!std::isfinite(scores[i]))
      fail(g.file.path() + ": the score of token " + text(i) + " is " + text(scores[i]) + ", and must be finite");
    p.words.add(i, g.tokens[i], g.file.path());
    joins.push_back(g.is(i, piece_type::normal) || g.is(i, piece_type::user_defined));
    g.add_if_special(p, i, std::string(g.tokens[i]));
  }
  bpe::settings how;
  how.byte_fallback = how.fuse_unknown = true;
  how.unknown = p.special.unknown.value_or(0);
  p.model = std::make_shared<model_of<bpe>>(scored_bpe(p.words, scores, joins, how));
  sentencepiece_normalizer normalize;
  normalize.prefix = g.file.boolean(g.key("add_space_prefix"), true);
  normalize.remove_extra = false;
  p.normalize.add(normalize);
  add_sentencepiece_decoders(p, normalize.prefix);
  if (!p.special.bos && g.tokens.size() > 2) p.special.bos = 1;
  if (!p.special.eos && g.tokens.size() > 2) p.special.eos = 2;
  if (p.special.bos && g.file.boolean(g.key("add_bos_token"), true)) p.before = {*p.special.bos};
  if (p.special.eos && g.file.boolean(g.key("add_eos_token"), false)) p.after = {*p.special.eos};
}

inline void read_gguf_gpt2(pipeline& p, const gguf_reader& g) {
  const std::string name = g.file.string(g.key("pre"), "default");
  const auto* const kind = std::ranges::find(gguf_divisions, name, &gguf_division::name);
  if (kind == std::end(gguf_divisions))
    fail(g.file.path() + ": " + g.key("pre") + " is '" + printable(name) + "', which is not supported");
  for (std::size_t i = 0; i < g.tokens.size(); ++i) {
    p.words.add(i, g.tokens[i], g.file.path());
    g.add_if_special(p, i, std::string(g.tokens[i]));
  }
  const auto merges = g.file.strings(g.key("merges"));
  merge_list list(p.words, merges.size());
  for (const std::string_view merge : merges) {
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos)
      fail(g.file.path() + ": a merge is '" + printable(merge) + "', and must be two tokens with a space between them");
    list.add(merge.substr(0, space), merge.substr(space + 1), g.file.path());
  }
  bpe::settings how;
  how.byte_level = true;
  how.ignore_merges = kind->ignore_merges;
  p.model = std::make_shared<model_of<bpe>>(bpe(p.words, how, list.take()));
  for (const char* const pattern : kind->patterns)
    if (pattern != nullptr)
      p.divide.add(std::make_shared<split_by_regex>(regex(pattern, g.file.path()), delimiter::isolated, false));
  p.decode.add(decode_byte_level);
  if (p.special.bos && g.file.boolean(g.key("add_bos_token"), kind->bos)) p.before = {*p.special.bos};
  const auto end = kind->encloses && p.special.sep ? p.special.sep : p.special.eos;
  if (end && g.file.boolean(g.key("add_eos_token"), kind->encloses)) p.after = {*end};
}

/// Tokens that begin a word have a ▁ in front here, and others no ##. Names in brackets are as they are.
inline void read_gguf_bert(pipeline& p, const gguf_reader& g) {
  constexpr std::string_view mark = "\xe2\x96\x81";
  for (std::size_t i = 0; i < g.tokens.size(); ++i) {
    const std::string_view token = g.tokens[i];
    const bool named = token.starts_with('[') && token.ends_with(']');
    const std::string original = token.starts_with(mark) ? std::string(token.substr(mark.size()))
                                 : named                 ? std::string(token)
                                                         : "##" + std::string(token);
    p.words.add(i, original, g.file.path());
    g.add_if_special(p, i, original);
  }
  bert_normalizer normalize;
  normalize.lowercase = g.file.boolean("tokenizer.ggml.normalizer.lowercase", true);
  normalize.strip_accents = g.file.boolean("tokenizer.ggml.normalizer.strip_accents", normalize.lowercase);
  p.normalize.add(normalize);
  p.divide.add(std::make_shared<split_as_bert>());
  p.decode.add([](decoder::texts& tokens) { decode_wordpiece(tokens, "##", true); });
  if (!p.special.unknown) p.special.unknown = p.find("[UNK]");
  if (!p.special.cls) p.special.cls = p.special.bos ? p.special.bos : p.find("[CLS]");
  if (!p.special.sep) p.special.sep = p.find("[SEP]");
  if (!p.special.unknown || !p.special.cls || !p.special.sep)
    fail(g.file.path() + ": its tokenizer has no [UNK], [CLS] or [SEP]");
  wordpiece::settings how;
  how.unknown = *p.special.unknown;
  p.model = std::make_shared<model_of<wordpiece>>(wordpiece(p.words, how));
  if (g.file.boolean(g.key("add_bos_token"), true)) p.before = {*p.special.cls};
  if (g.file.boolean(g.key("add_sep_token"), true)) p.after = {*p.special.sep};
}

}  // namespace detail

inline pipeline read_gguf_tokenizer(const std::string& path) {
  const gguf file(path);
  const std::string model = file.string("tokenizer.ggml.model");
  if (model != "llama" && model != "gpt2" && model != "bert")
    file.refuse("tokenizer.ggml.model", "llama, gpt2 or bert");
  const detail::gguf_reader g(file);
  pipeline p;
  p.special = {g.id("bos_token_id"),  g.id("eos_token_id"), g.id("unknown_token_id"),  g.id("padding_token_id"),
               g.id("mask_token_id"), g.id("cls_token_id"), g.id("seperator_token_id")};
  if (model == "llama") detail::read_gguf_llama(p, g);
  if (model == "gpt2") detail::read_gguf_gpt2(p, g);
  if (model == "bert") detail::read_gguf_bert(p, g);
  if (file.find("tokenizer.chat_template") != nullptr) p.chat_template = file.string("tokenizer.chat_template");
  return p;
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
