/// The stages of a tokenizer.json: its normalizer, pre_tokenizer, post_processor and decoder. Each is an object whose
/// "type" names it; a type or a value that is not known is refused by name.
#pragma once

#include <array>
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
#include "base64.hpp"
#include "charsmap.hpp"
#include "decoder.hpp"
#include "normalizer.hpp"
#include "piece.hpp"
#include "pipeline.hpp"
#include "splitters.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// GPT-2's pattern: contractions, words, numbers and other characters, each with the space before it.
inline constexpr const char* gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace detail {

/// The members of a Sequence.
inline const json& members(const json& value, const std::string& name, const std::string& where) {
  const json* list = fields(value, where).find(name);
  if (list == nullptr || !list->is_array()) fields(value, where).refuse(name, "a list");
  return *list;
}

[[noreturn]] inline void unknown_type(const std::string& type, const std::string& where) {
  fail(where + ": the type '" + printable(type) + "' is not supported");
}

/// {"String": …} or {"Regex": …}.
struct json_pattern {
  std::string text;
  bool is_regex;
};
inline json_pattern pattern_of(const json& value, const std::string& where) {
  const json* pattern = fields(value, where).find("pattern");
  if (pattern == nullptr) fields(value, where).refuse("pattern", "an object");
  const fields either(*pattern, where + ": pattern");
  const bool is_regex = either.find("Regex") != nullptr;
  return {either.string(is_regex ? "Regex" : "String"), is_regex};
}

inline metaspace::prefix prefix_of(const fields& value) {
  const std::string scheme = value.string("prepend_scheme", "always");
  if (!value.boolean("add_prefix_space", true)) return metaspace::prefix::never;
  if (scheme == "always") return metaspace::prefix::always;
  if (scheme == "first") return metaspace::prefix::first;
  if (scheme != "never") value.refuse("prepend_scheme", "always, first or never");
  return metaspace::prefix::never;
}

inline delimiter delimiter_of(const fields& value, std::optional<std::string> absent) {
  constexpr std::array<std::pair<std::string_view, delimiter>, 5> kinds{
      {{"Isolated", delimiter::isolated},
       {"Removed", delimiter::removed},
       {"Contiguous", delimiter::contiguous},
       {"MergedWithPrevious", delimiter::with_previous},
       {"MergedWithNext", delimiter::with_next}}};
  const std::string name = value.string("behavior", std::move(absent));
  for (const auto& [known, kind] : kinds)
    if (known == name) return kind;
  value.refuse("behavior", "Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext");
}

}  // namespace detail

inline void add_normalizers(normalizer& steps, const json& value, const std::string& where) {
  const fields given(value, where);
  const std::string type = given.string("type");
  if (type == "Sequence") {
    for (const json& member : detail::members(value, "normalizers", where)) add_normalizers(steps, member, where);
  } else if (type == "NFC") {
    steps.add(unicode_normalizer(normal_form::nfc));
  } else if (type == "NFD") {
    steps.add(unicode_normalizer(normal_form::nfd));
  } else if (type == "NFKC") {
    steps.add(unicode_normalizer(normal_form::nfkc));
  } else if (type == "NFKD") {
    steps.add(unicode_normalizer(normal_form::nfkd));
  } else if (type == "Lowercase") {
    steps.add(lowercase);
  } else if (type == "StripAccents") {
    steps.add(strip_accents);
  } else if (type == "Nmt") {
    steps.add(nmt);
  } else if (type == "BertNormalizer") {
    bert_normalizer bert;
    bert.clean_text = given.boolean("clean_text", true);
    bert.chinese = given.boolean("handle_chinese_chars", true);
    bert.lowercase = given.boolean("lowercase", true);
    bert.strip_accents = given.boolean("strip_accents", bert.lowercase);
    steps.add(bert);
  } else if (type == "Strip") {
    const bool left = given.boolean("strip_left", true), right = given.boolean("strip_right", true);
    const auto step = [left, right](std::string& text) { strip(text, left, right); };
    if (left)
      steps.add_left_strip(step);
    else
      steps.add(step);
  } else if (type == "Prepend") {
    steps.add([what = given.string("prepend")](std::string& text) { prepend(text, what); });
  } else if (type == "Replace") {
    const auto [pattern, is_regex] = detail::pattern_of(value, where);
    std::string to = given.string("content");
    if (is_regex)
      steps.add([p = regex(pattern, where), to](std::string& text) { replace_pattern(text, p, to); });
    else
      steps.add([from = pattern, to](std::string& text) { replace_string(text, from, to); });
  } else if (type == "Precompiled") {
    const auto blob = base64(given.string("precompiled_charsmap", ""));
    if (!blob) given.refuse("precompiled_charsmap", "base64");
    steps.add(
        [map = std::make_shared<const charsmap>(*blob, where)](std::string& text) { map->replace_graphemes(text); });
  } else {
    detail::unknown_type(type, where);
  }
}

/// Returns whether the pieces are bytes in the end (ByteLevel, which must come last).
inline bool add_splitters(pre_tokenizer& stages, const json& value, const std::string& where) {
  const fields given(value, where);
  const std::string type = given.string("type");
  const auto by_character = [&](split_by_character::property is, delimiter kind) {
    stages.add(std::make_shared<split_by_character>(is, kind));
  };
  if (stages.size() >= pre_tokenizer::most) fail(where + ": has more than " + text(pre_tokenizer::most) + " members");
  if (type == "Sequence") {
    bool bytes = false;
    for (const json& member : detail::members(value, "pretokenizers", where)) {
      if (bytes) fail(where + ": ByteLevel is not the last of its Sequence");
      bytes = add_splitters(stages, member, where);
    }
    return bytes;
  }
  if (type == "ByteLevel") {
    if (given.boolean("add_prefix_space", true)) stages.add(std::make_shared<space_in_front>());
    if (given.boolean("use_regex", true))
      stages.add(std::make_shared<split_by_regex>(regex(gpt2_pattern, where), delimiter::isolated, false));
    return true;
  }
  if (type == "Split") {
    const auto [pattern, is_regex] = detail::pattern_of(value, where);
    const delimiter kind = detail::delimiter_of(given, std::nullopt);
    const bool inverted = given.boolean("invert", false);
    if (is_regex)
      stages.add(std::make_shared<split_by_regex>(regex(pattern, where), kind, inverted));
    else
      stages.add(std::make_shared<split_by_string>(pattern, kind, inverted));
  } else if (type == "Metaspace") {
    const std::string mark = given.string("replacement");
    if (mark.empty() || code_point_at(mark, 0).length != mark.size()) given.refuse("replacement", "one character");
    stages.add(std::make_shared<metaspace>(mark, detail::prefix_of(given), given.boolean("split", true)));
  } else if (type == "BertPreTokenizer") {
    stages.add(std::make_shared<split_as_bert>());
  } else if (type == "Whitespace") {
    stages.add(std::make_shared<split_into_words>());
  } else if (type == "WhitespaceSplit") {
    by_character(is_white_space, delimiter::removed);
  } else if (type == "Digits") {
    by_character(is_numeric, given.boolean("individual_digits", false) ? delimiter::isolated : delimiter::contiguous);
  } else if (type == "Punctuation") {
    by_character(is_punctuation, detail::delimiter_of(given, "Isolated"));
  } else {
    detail::unknown_type(type, where);
  }
  return false;
}

inline void add_decoders(decoder& steps, const json& value, const std::string& where) {
  const fields given(value, where);
  const std::string type = given.string("type");
  if (type == "Sequence") {
    for (const json& member : detail::members(value, "decoders", where)) add_decoders(steps, member, where);
  } else if (type == "ByteLevel") {
    steps.add(decode_byte_level);
  } else if (type == "ByteFallback") {
    steps.add(decode_byte_fallback);
  } else if (type == "Fuse") {
    steps.add(fuse);
  } else if (type == "Metaspace") {
    const bool prefixed = detail::prefix_of(given) != metaspace::prefix::never;
    steps.add(
        [mark = given.string("replacement"), prefixed](decoder::texts& t) { decode_metaspace(t, mark, prefixed); });
  } else if (type == "WordPiece") {
    const bool cleaned = given.boolean("cleanup", true);
    steps.add(
        [prefix = given.string("prefix", "##"), cleaned](decoder::texts& t) { decode_wordpiece(t, prefix, cleaned); });
  } else if (type == "BPEDecoder") {
    steps.add([suffix = given.string("suffix", "</w>")](decoder::texts& t) { decode_suffix(t, suffix); });
  } else if (type == "Strip") {
    const std::size_t start = given.whole("start", 0, 1000), stop = given.whole("stop", 0, 1000);
    steps.add([c = given.string("content"), start, stop](decoder::texts& t) { decode_strip(t, c, start, stop); });
  } else if (type == "Replace") {
    const auto [pattern, is_regex] = detail::pattern_of(value, where);
    const std::string to = given.string("content");
    if (is_regex)
      steps.add([p = regex(pattern, where), to](decoder::texts& t) {
        for (std::string& token : t) replace_pattern(token, p, to);
      });
    else
      steps.add([from = pattern, to](decoder::texts& t) {
        for (std::string& token : t) replace_string(token, from, to);
      });
  } else {
    detail::unknown_type(type, where);
  }
}

/// Reads what a single text gets before and after it. Pairs of texts are ignored.
inline void add_post_processor(pipeline& p, const json& value, const std::string& where) {
  const fields given(value, where);
  const std::string type = given.string("type");
  if (type == "Sequence") {
    for (const json& member : detail::members(value, "processors", where)) add_post_processor(p, member, where);
  } else if (type == "ByteLevel") {
    // Changes where tokens begin and end in the text, not which ones they are.
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    const auto id_of = [&](const char* name) {
      const json* pair = given.find(name);
      if (pair == nullptr || !pair->is_array() || pair->size() != 2 || !(*pair)[1].is_number_unsigned() ||
          (*pair)[1].get<std::uint64_t>() >= vocabulary::most)
        given.refuse(name, "a token and its id");
      return (*pair)[1].get<std::int32_t>();
    };
    p.special.cls = id_of("cls");
    p.special.sep = id_of("sep");
    p.before.insert(p.before.begin(), *p.special.cls);
    p.after.push_back(*p.special.sep);
  } else if (type == "TemplateProcessing") {
    const json* known = given.find("special_tokens");
    std::vector<std::int32_t> before, after;
    std::size_t sequences = 0;
    for (const json& part : detail::members(value, "single", where)) {
      const fields item(part, where + ": single");
      if (item.find("Sequence") != nullptr) {
        ++sequences;
        continue;
      }
      const json* token = item.find("SpecialToken");
      if (token == nullptr) item.refuse("SpecialToken", "an object");
      const std::string name = fields(*token, where + ": SpecialToken").string("id");
      const json* entry = known == nullptr ? nullptr : fields(*known, where + ": special_tokens").find(name);
      if (entry == nullptr) fail(where + ": special_tokens has no '" + printable(name) + "'");
      for (const json& id : detail::members(*entry, "ids", where + ": special_tokens")) {
        if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= vocabulary::most)
          fail(where + ": special_tokens: an id is " + shown(id) + ", and must be a whole number below " +
               text(vocabulary::most));
        (sequences == 0 ? before : after).push_back(id.get<std::int32_t>());
      }
    }
    if (sequences != 1) fail(where + ": single has the text " + text(sequences) + " times, and must have it once");
    p.before.insert(p.before.begin(), before.begin(), before.end());
    p.after.insert(p.after.end(), after.begin(), after.end());
  } else {
    detail::unknown_type(type, where);
  }
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
