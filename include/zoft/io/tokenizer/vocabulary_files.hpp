/// Reads the vocabularies that models had before tokenizer.json:
///
///     vocab.json    {token: id}                              with merges.txt: byte-level BPE
///     merges.txt    "#version…", then two tokens a line, the merge of the lowest rank first
///     vocab.txt     a token a line, the first with id 0      WordPiece, as BERT's
///
/// tokenizer_config.json beside them says whose tokenizer it is, and lists tokens that are not in the vocabulary.
#pragma once

#include <array>
#include <charconv>
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
#include "json_models.hpp"
#include "json_stages.hpp"
#include "pipeline.hpp"
#include "text_lines.hpp"
#include "tokenizer_json.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// Qwen2's pattern.
inline constexpr const char* qwen2_pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace detail {

/// What a class of transformers' means for vocab.json and merges.txt.
struct byte_level_class {
  std::string_view name;
  const char* pattern;
  bool nfc = false;       ///< the text is normalized first
  bool encloses = false;  ///< <s> and </s> around it (RobertaProcessing)
};

inline constexpr std::array<byte_level_class, 7> byte_level_classes{{{"GPT2Tokenizer", gpt2_pattern},
                                                                     {"CodeGenTokenizer", gpt2_pattern},
                                                                     {"GPTNeoXTokenizer", gpt2_pattern, true},
                                                                     {"Qwen2Tokenizer", qwen2_pattern, true},
                                                                     {"RobertaTokenizer", gpt2_pattern, false, true},
                                                                     {"LongformerTokenizer", gpt2_pattern, false, true},
                                                                     {"BartTokenizer", gpt2_pattern, false, true}}};

/// The class that the configuration names, without "Fast"; empty if it names none.
inline std::string tokenizer_class(const json& config, const std::string& where) {
  std::string name = fields(config, where).string("tokenizer_class", "");
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

/// Adds the tokens of added_tokens_decoder, {"id": token}.
inline void add_listed_tokens(pipeline& p, const json& config, const std::string& where) {
  const json* list = fields(config, where).find("added_tokens_decoder");
  if (list == nullptr) return;
  if (!list->is_object()) fail(where + ": added_tokens_decoder is " + shown(*list) + ", and must be an object");
  for (const auto& [key, value] : list->get_ref<const json::object_t&>()) {
    std::size_t id = vocabulary::most;
    const auto end = std::from_chars(key.data(), key.data() + key.size(), id);
    if (end.ec != std::errc() || end.ptr != key.data() + key.size() || id >= vocabulary::most)
      fail(where + ": added_tokens_decoder has a token with id '" + printable(key) +
           "', and must have whole numbers below " + text(vocabulary::most));
    const added_token token = read_added_token(value, id, where + ": added_tokens_decoder");
    if (!token.text.empty() && !p.special_texts.contains(token.text)) p.add(token, where);
  }
}

/// Adds the special token that the configuration names, or else `usual`, if the vocabulary has it.
inline void add_special(pipeline& p, const json& config, const char* name, const char* usual, bool left_strip = false) {
  const auto found = config.find(name);
  const auto named = found == config.end() ? std::optional<std::string>(usual) : token_text(*found);
  if (!named || named->empty() || p.special_texts.contains(*named)) return;
  const auto id = p.find(*named);
  if (!id) return;
  added_token token;
  token.text = *named;
  token.id = *id;
  token.special = true;
  token.left_strip = left_strip;
  p.add(token, name);
}

}  // namespace detail

/// vocab.json and merges.txt of a folder.
inline pipeline read_vocab_and_merges(const std::string& folder) {
  const std::string words = folder + "/vocab.json", merges = folder + "/merges.txt";
  const std::string config_path = folder + "/tokenizer_config.json";
  const json config = config_beside(folder, "tokenizer_config.json");
  pipeline p;
  detail::add_vocabulary(p.words, parse_json(detail::whole_file(words), words), words);

  std::string name = detail::tokenizer_class(config, config_path);
  // Folders without a class are as old as GPT-2's and RoBERTa's, which <mask> tells apart.
  if (name.empty()) name = p.find("<mask>") && p.find("<s>") ? "RobertaTokenizer" : "GPT2Tokenizer";
  const detail::byte_level_class* kind = nullptr;
  for (const auto& known : detail::byte_level_classes)
    if (known.name == name) kind = &known;
  if (kind == nullptr)
    fail(config_path + ": tokenizer_class is '" + printable(name) +
         "', and vocab.json with merges.txt is read as GPT2Tokenizer, CodeGenTokenizer, GPTNeoXTokenizer, "
         "Qwen2Tokenizer, RobertaTokenizer, LongformerTokenizer or BartTokenizer");

  const std::string merges_text = text_of_file(merges);
  const auto lines = lines_of(merges_text);
  merge_list list(p.words, lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty() || lines[i].starts_with("#version")) continue;
    const std::size_t space = lines[i].find(' ');
    if (space == std::string_view::npos || lines[i].find(' ', space + 1) != std::string_view::npos)
      fail(merges + ": line " + text(i + 1) + " is '" + printable(lines[i]) +
           "', and must be two tokens with a space between them");
    list.add(lines[i].substr(0, space), lines[i].substr(space + 1), merges + ": line " + text(i + 1));
  }
  bpe::settings how;
  how.byte_level = true;
  p.model = std::make_shared<model_of<bpe>>(bpe(p.words, how, list.take()));

  if (kind->nfc) p.normalize.add(unicode_normalizer(normal_form::nfc));
  if (fields(config, config_path).boolean("add_prefix_space", false)) p.divide.add(std::make_shared<space_in_front>());
  p.divide.add(std::make_shared<split_by_regex>(regex(kind->pattern, words), delimiter::isolated, false));
  p.decode.add(decode_byte_level);

  const bool roberta = kind->encloses;
  detail::add_listed_tokens(p, config, config_path);
  detail::add_special(p, config, "bos_token", roberta ? "<s>" : "<|endoftext|>");
  detail::add_special(p, config, "eos_token", roberta ? "</s>" : "<|endoftext|>");
  detail::add_special(p, config, "unk_token", roberta ? "<unk>" : "<|endoftext|>");
  detail::add_special(p, config, "pad_token", roberta ? "<pad>" : "");
  detail::add_special(p, config, "cls_token", roberta ? "<s>" : "");
  detail::add_special(p, config, "sep_token", roberta ? "</s>" : "");
  detail::add_special(p, config, "mask_token", roberta ? "<mask>" : "", true);
  read_special_tokens(p, folder);
  const fields options(config, config_path);
  if (roberta) {
    if (!p.special.cls) p.special.cls = p.special.bos;
    if (!p.special.sep) p.special.sep = p.special.eos;
    if (!p.special.cls || !p.special.sep) fail(words + ": has no <s> and </s>, which " + name + " puts around a text");
    p.before = {*p.special.cls};
    p.after = {*p.special.sep};
  } else {
    if (!p.special.unknown && !config.contains("unk_token")) p.special.unknown = p.find("<|endoftext|>");
    if (options.boolean("add_bos_token", false) && p.special.bos) p.before = {*p.special.bos};
    if (options.boolean("add_eos_token", false) && p.special.eos) p.after = {*p.special.eos};
  }
  return p;
}

/// vocab.txt, with the tokenizer_config.json beside it.
inline pipeline read_vocab_txt(const std::string& path, const std::string& folder) {
  const std::string config_path = folder + "/tokenizer_config.json";
  const json config = config_beside(folder, "tokenizer_config.json");
  const fields options(config, config_path);
  const std::string name = detail::tokenizer_class(config, config_path);
  if (!name.empty() && name != "BertTokenizer" && name != "DistilBertTokenizer" && name != "ElectraTokenizer" &&
      name != "MobileBertTokenizer")
    fail(config_path + ": tokenizer_class is '" + printable(name) +
         "', and vocab.txt is read as BertTokenizer, DistilBertTokenizer, ElectraTokenizer or MobileBertTokenizer");
  pipeline p;
  const std::string all = text_of_file(path);
  const auto lines = lines_of(all);
  for (std::size_t i = 0; i < lines.size(); ++i) p.words.add(i, lines[i], path);

  bert_normalizer normalize;
  normalize.lowercase = options.boolean("do_lower_case", true);
  normalize.strip_accents = options.boolean("strip_accents", normalize.lowercase);
  normalize.chinese = options.boolean("tokenize_chinese_chars", true);
  p.normalize.add(normalize);
  p.divide.add(std::make_shared<split_as_bert>());
  p.decode.add([](decoder::texts& tokens) { decode_wordpiece(tokens, "##", true); });
  detail::add_listed_tokens(p, config, config_path);
  for (const auto& [field, usual] : {std::pair{"unk_token", "[UNK]"},
                                     {"sep_token", "[SEP]"},
                                     {"pad_token", "[PAD]"},
                                     {"cls_token", "[CLS]"},
                                     {"mask_token", "[MASK]"}})
    detail::add_special(p, config, field, usual);
  read_special_tokens(p, folder);
  for (const auto& [id, usual] :
       {std::pair{p.special.unknown, "[UNK]"}, {p.special.cls, "[CLS]"}, {p.special.sep, "[SEP]"}})
    if (!id) fail(path + ": has no " + usual + ", which a BERT tokenizer must have");
  wordpiece::settings how;
  how.unknown = *p.special.unknown;
  p.model = std::make_shared<model_of<wordpiece>>(wordpiece(p.words, how));
  p.before = {*p.special.cls};
  p.after = {*p.special.sep};
  return p;
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
