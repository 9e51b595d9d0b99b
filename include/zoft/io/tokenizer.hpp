/// Tokenizers as models come with them: texts to ids of tokens, and back. Needs zoft::text (PCRE2 and ICU).
///
///     const auto words = zoft::io::load_tokenizer("SmolLM2-135M-Instruct");   // a folder, or one of its files
///     const std::vector<std::int32_t> ids = words.encode("Hello");
///     words.decode(ids);                                                        // "Hello"
///
/// The ids are those of Hugging Face's tokenizers, or of SentencePiece if there is only its tokenizer.model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "tokenizer/load.hpp"
#include "tokenizer/pipeline.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct encode_options {
  bool special = true;        ///< with the tokens that the model wants around a text, as BOS or [CLS] and [SEP]
  bool parse_special = true;  ///< special tokens that are written in the text become those tokens
};

struct decode_options {
  bool skip_special = true;  ///< special tokens become nothing
};

/// Copies share what was read. All functions may be called by many threads at once.
class tokenizer {
 public:
  explicit tokenizer(text_stage::pipeline stages)
      : stages_(std::make_shared<const text_stage::pipeline>(std::move(stages))) {}

  /// Bytes that are not UTF-8 are read as U+FFFD, as Unicode recommends ("Substitution of maximal subparts"). Throws if
  /// the text has more than 1 GiB.
  std::vector<std::int32_t> encode(std::string_view text, const encode_options& options = {}) const;

  /// Always UTF-8. An id that no token has becomes nothing.
  std::string decode(std::span<const std::int32_t> ids, const decode_options& options = {}) const;

  /// One more than the greatest id. A model's vocabulary may be padded to more.
  std::size_t size() const { return stages_->words.size(); }
  /// How the vocabulary writes the token, or nothing if the id has none.
  std::optional<std::string> text_of(std::int32_t id) const {
    return stages_->words.holds(id) ? std::optional(std::string(stages_->words[id])) : std::nullopt;
  }
  /// The id of the token that the vocabulary writes so.
  std::optional<std::int32_t> find(std::string_view text) const { return stages_->find(text); }

  std::optional<std::int32_t> bos() const { return stages_->special.bos; }
  std::optional<std::int32_t> eos() const { return stages_->special.eos; }
  std::optional<std::int32_t> unknown() const { return stages_->special.unknown; }
  std::optional<std::int32_t> pad() const { return stages_->special.pad; }
  std::optional<std::int32_t> mask() const { return stages_->special.mask; }
  std::optional<std::int32_t> cls() const { return stages_->special.cls; }
  std::optional<std::int32_t> sep() const { return stages_->special.sep; }

  /// The Jinja template that the model's chats were written with, if it came with one.
  const std::optional<std::string>& chat_template() const { return stages_->chat_template; }

 private:
  std::shared_ptr<const text_stage::pipeline> stages_;
};

/// Reads the tokenizer at `path`: a folder, of which the first of these is taken, or one of these files itself.
///
///     tokenizer.json             Hugging Face's, with tokenizer_config.json and special_tokens_map.json beside it
///     tokenizer.model            SentencePiece's
///     vocab.json + merges.txt    GPT-2's and its like; tokenizer_config.json's tokenizer_class says whose
///     vocab.txt                  BERT's
///     tokenizer.bin              llama2.c's
///     NAME.gguf                  llama.cpp's
///
/// Throws std::invalid_argument, naming the file and what is wrong in it.
inline tokenizer load_tokenizer(const std::string& path) { return tokenizer(text_stage::load_pipeline(path)); }

inline std::vector<std::int32_t> tokenizer::encode(std::string_view text, const encode_options& options) const {
  const text_stage::pipeline& p = *stages_;
  if (text.size() > std::size_t{1} << 30)
    fail("tokenizer: a text of " + zoft::text(text.size()) + " bytes, and at most 1 GiB can be encoded at once");
  std::string repaired;
  if (!is_utf8(text)) text = repaired = text_stage::repaired_utf8(text);

  std::vector<std::int32_t> ids;
  ids.reserve(text.size() / 4 + 8);
  if (options.special) ids = p.before;
  p.model->with_sink(ids, [&](text_stage::piece_sink& sink) {
    std::string changed;
    p.raw.for_each(text, options.parse_special, [&](std::size_t begin, std::size_t end, const auto* token) {
      if (token != nullptr) return ids.push_back(token->id);
      std::string_view part = text.substr(begin, end - begin);
      const bool first = begin == 0 && !p.normalize.moves_start(part);
      if (!p.normalize.empty()) {
        changed = part;
        p.normalize(changed);
        part = changed;
      }
      p.normalized.for_each(part, options.parse_special, [&](std::size_t from, std::size_t to, const auto* inner) {
        if (inner != nullptr) return ids.push_back(inner->id);
        p.divide({part.substr(from, to - from), first && from == 0}, sink);
      });
    });
  });
  if (options.special) ids.insert(ids.end(), p.after.begin(), p.after.end());
  return ids;
}

inline std::string tokenizer::decode(std::span<const std::int32_t> ids, const decode_options& options) const {
  text_stage::decoder::texts texts;
  texts.reserve(ids.size());
  for (const std::int32_t id : ids) {
    if (!stages_->words.holds(id)) continue;
    std::string token(stages_->words[id]);
    if (options.skip_special && stages_->special_texts.contains(token)) continue;
    texts.push_back(std::move(token));
  }
  return stages_->decode(std::move(texts));
}

}  // namespace zoft::inline ZOFT_ISA::io
