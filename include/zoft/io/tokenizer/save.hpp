/// Saves a tokenizer into a Hugging Face folder: the files of a folder are copied, and the vocabulary of a GGUF file or
/// of llama2.c's tokenizer.bin becomes tokenizer.json (the format of the library tokenizers, version 1.0),
/// tokenizer_config.json and chat_template.jinja.
///
/// The ids are the same, but for what tokenizer.json cannot say. Of merges with the same score, that of the lower id
/// goes first, where SentencePiece takes the leftmost. A character that is no token is not merged. Special tokens that
/// are written in a text are found there, and a ▁ is a space, which llama2.c does not do.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/file_kind.hpp"
#include "../file/gguf.hpp"
#include "../file/json.hpp"
#include "../file/memory_map.hpp"
#include "../file/output_file.hpp"
#include "../file/printable.hpp"
#include "../file/utf8.hpp"
#include "code_points.hpp"
#include "decoder.hpp"
#include "gguf_patterns.hpp"
#include "gguf_vocabulary.hpp"
#include "llama2c_pipeline.hpp"
#include "load.hpp"
#include "pipeline.hpp"
#include "tokenizer_json.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace text_stage::detail {

inline constexpr std::string_view space_mark = "\xe2\x96\x81";  // ▁

/// A vocabulary as tokenizer.json says it.
struct vocabulary_to_save {
  struct token {
    std::string text;
    float score = 0;
    bool joins = false;                   ///< whether merging makes it
    bool added = false, special = false;  ///< whether it is found in texts, and left out by decoding
  };
  std::vector<token> tokens;  ///< by id
  std::vector<std::int32_t> before, after;
  special_ids special;
  std::optional<std::string> chat_template;
  std::optional<std::size_t> context;  ///< the longest text, in tokens
  json model, normalizer, divide, decode;
};

inline json split_json(const char* pattern) {
  return {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
}

/// {token: id}. If several ids have one text, it is that of find.
template <class Find>
json vocabulary_json(const vocabulary_to_save& v, Find find) {
  json result = json::object();
  for (std::size_t i = 0; i < v.tokens.size(); ++i)
    if (find(v.tokens[i].text) == i) result[v.tokens[i].text] = i;
  return result;
}

/// Pairs of tokens as lines, which all versions of the library read, or as lists if a line would not read back.
inline json merges_json(const std::vector<std::pair<std::string_view, std::string_view>>& merges) {
  const bool as_lists = std::ranges::any_of(merges, [](const auto& merge) {
    return merge.first.starts_with("#version") || merge.first.find(' ') != std::string_view::npos ||
           merge.second.find(' ') != std::string_view::npos;
  });
  json result = json::array();
  for (const auto& [left, right] : merges)
    result.push_back(as_lists ? json{left, right} : json(std::string(left) + " " + std::string(right)));
  return result;
}

inline json bpe_json(json words, json merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(words)},
          {"merges", std::move(merges)}};
}

/// SentencePiece's BPE: whatever two tokens are a third is a merge, that of the best score first. A space is ▁, and
/// `prefix` puts one in front. `fuse` is whether neighbours without tokens become one unknown.
template <class Find>
void say_scored(vocabulary_to_save& v, Find find, bool prefix, bool fuse) {
  struct merge {
    std::size_t id, left;  // bytes of the left part
  };
  std::vector<merge> merges;
  const auto joins = [&](std::string_view text) {
    const std::size_t id = find(text);
    return id < v.tokens.size() && v.tokens[id].joins;
  };
  for (std::size_t i = 0; i < v.tokens.size(); ++i) {
    const std::string_view token = v.tokens[i].text;
    if (!v.tokens[i].joins || find(token) != i) continue;
    for (std::size_t at = 0; at < token.size();) {
      at += code_point_at(token, at).length;
      if (at < token.size() && joins(token.substr(0, at)) && joins(token.substr(at))) merges.push_back({i, at});
    }
  }
  std::ranges::sort(merges, [&](const merge& a, const merge& b) {
    const float x = v.tokens[a.id].score, y = v.tokens[b.id].score;
    return x != y ? x > y : a.id != b.id ? a.id < b.id : a.left > b.left;
  });
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (const merge& m : merges) {
    const std::string_view token = v.tokens[m.id].text;
    pairs.emplace_back(token.substr(0, m.left), token.substr(m.left));
  }
  v.model = bpe_json(vocabulary_json(v, find), merges_json(pairs));
  if (v.special.unknown) v.model["unk_token"] = v.tokens[static_cast<std::size_t>(*v.special.unknown)].text;
  v.model["byte_fallback"] = true;
  v.model["fuse_unk"] = fuse;
  const json marked = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", space_mark}};
  v.normalizer = {{"type", "Sequence"}, {"normalizers", json::array()}};
  if (prefix) v.normalizer["normalizers"].push_back({{"type", "Prepend"}, {"prepend", space_mark}});
  v.normalizer["normalizers"].push_back(marked);
  v.decode = {{"type", "Sequence"},
              {"decoders",
               {{{"type", "Replace"}, {"pattern", {{"String", space_mark}}}, {"content", " "}},
                {{"type", "ByteFallback"}},
                {{"type", "Fuse"}}}}};
  if (prefix) v.decode["decoders"].push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
}

/// What a pipeline says about the tokens around a text, and its special tokens.
inline vocabulary_to_save vocabulary_of(const pipeline& p) {
  vocabulary_to_save v;
  v.before = p.before;
  v.after = p.after;
  v.special = p.special;
  v.chat_template = p.chat_template;
  v.tokens.resize(p.words.size());
  for (std::size_t i = 0; i < v.tokens.size(); ++i)
    if (const auto id = static_cast<std::int32_t>(i); p.words.holds(id)) v.tokens[i].text = p.words[id];
  return v;
}

inline vocabulary_to_save gguf_to_save(const std::string& path) {
  const pipeline p = read_gguf_tokenizer(path);
  const gguf file(path);
  const gguf_reader g(file);
  vocabulary_to_save v = vocabulary_of(p);
  const std::string model = file.string("tokenizer.ggml.model");
  for (std::size_t i = 0; i < v.tokens.size(); ++i) {
    auto& token = v.tokens[i];
    token.special = g.is(i, piece_type::control) || g.is(i, piece_type::unknown);
    token.added = (token.special || g.is(i, piece_type::user_defined)) && !token.text.empty();
    token.joins = g.is(i, piece_type::normal) || g.is(i, piece_type::user_defined);
  }
  const auto find = [&](std::string_view text) {
    const auto id = p.find(text);
    return id ? static_cast<std::size_t>(*id) : v.tokens.size();
  };
  if (model == "llama") {
    const std::vector<float> scores = file.reals(g.key("scores"));
    for (std::size_t i = 0; i < v.tokens.size(); ++i) v.tokens[i].score = scores[i];
    v.special.unknown = v.special.unknown.value_or(0);
    say_scored(v, find, file.boolean(g.key("add_space_prefix"), true), true);
  } else if (model == "gpt2") {
    std::vector<std::pair<std::string_view, std::string_view>> merges;
    for (const std::string_view merge : file.strings(g.key("merges"))) {
      const std::size_t space = merge.find(' ', 1);
      merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
    v.model = bpe_json(vocabulary_json(v, find), merges_json(merges));
    const auto* const kind =
        std::ranges::find(gguf_divisions, file.string(g.key("pre"), "default"), &gguf_division::name);
    v.model["ignore_merges"] = kind->ignore_merges;
    json stages = json::array();
    for (const char* const pattern : kind->patterns)
      if (pattern != nullptr) stages.push_back(split_json(pattern));
    stages.push_back(
        {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
    v.divide = {{"type", "Sequence"}, {"pretokenizers", std::move(stages)}};
    v.decode = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  } else {
    v.model = {{"type", "WordPiece"},
               {"unk_token", v.tokens[static_cast<std::size_t>(*v.special.unknown)].text},
               {"continuing_subword_prefix", "##"},
               {"max_input_chars_per_word", 100},
               {"vocab", vocabulary_json(v, find)}};
    const bool lower = file.boolean("tokenizer.ggml.normalizer.lowercase", true);
    v.normalizer = {{"type", "BertNormalizer"},
                    {"clean_text", true},
                    {"handle_chinese_chars", true},
                    {"strip_accents", file.boolean("tokenizer.ggml.normalizer.strip_accents", lower)},
                    {"lowercase", lower}};
    v.divide = {{"type", "BertPreTokenizer"}};
    v.decode = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  }
  const std::string context = file.string("general.architecture", "") + ".context_length";
  if (file.find(context) != nullptr) v.context = file.whole(context, 1, UINT32_MAX);
  return v;
}

inline vocabulary_to_save llama2c_to_save(const std::string& path) {
  const llama2c_tokenizer words(path);
  vocabulary_to_save v = vocabulary_of(read_llama2c(path));
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t i = 0; i < v.tokens.size(); ++i) {
    auto& token = v.tokens[i];
    token.added = token.special = i <= llama2c_tokenizer::eos;
    if (!is_utf8(token.text))
      fail(path + ": token " + text(i) + " is '" + printable(token.text) +
           "', which is not UTF-8, so it cannot be written into tokenizer.json");
    if (token.special) {  // llama2.c writes line ends around BOS and EOS, for people to read
      static constexpr std::array<const char*, 3> usual{"<unk>", "<s>", "</s>"};
      std::erase(token.text, '\n');
      if (token.text.empty()) token.text = usual[i];
    }
    replace_string(token.text, " ", std::string(space_mark));
    token.score = words[i].score;
    token.joins = !token.special && byte_of_token(token.text) < 0;
  }
  for (std::size_t i = 0; i < v.tokens.size(); ++i) ids.emplace(v.tokens[i].text, i);
  const auto find = [&](std::string_view text) {
    const auto found = ids.find(text);
    return found == ids.end() ? v.tokens.size() : found->second;
  };
  say_scored(v, find, true, false);
  return v;
}

/// A token with its place, as TemplateProcessing writes it.
inline json template_part(const std::string& name, std::size_t type, bool is_text) {
  return {{is_text ? "Sequence" : "SpecialToken", {{"id", name}, {"type_id", type}}}};
}

/// What is put around a text, and around the second of two.
inline json post_processor_json(const vocabulary_to_save& v) {
  if (v.before.empty() && v.after.empty()) return nullptr;
  json single = json::array(), second = json::array(), known = json::object();
  const auto add = [&](const std::vector<std::int32_t>& ids, bool in_second) {
    for (const std::int32_t id : ids) {
      const std::string& name = v.tokens[static_cast<std::size_t>(id)].text;
      known[name] = {{"id", name}, {"ids", json::array({id})}, {"tokens", json::array({name})}};
      single.push_back(template_part(name, 0, false));
      if (in_second) second.push_back(template_part(name, 1, false));
    }
  };
  const bool is_bert = v.model["type"] == "WordPiece";  // [CLS] a [SEP] b [SEP]
  add(v.before, !is_bert);
  single.push_back(template_part("A", 0, true));
  second.push_back(template_part("B", 1, true));
  add(v.after, true);
  json pair = single;
  pair.insert(pair.end(), second.begin(), second.end());
  return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", known}};
}

inline json tokenizer_json_of(const vocabulary_to_save& v) {
  json added = json::array();
  for (std::size_t i = 0; i < v.tokens.size(); ++i)
    if (v.tokens[i].added)
      added.push_back({{"id", i},
                       {"content", v.tokens[i].text},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", v.tokens[i].special}});
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added},
          {"normalizer", v.normalizer},
          {"pre_tokenizer", v.divide},
          {"post_processor", post_processor_json(v)},
          {"decoder", v.decode},
          {"model", v.model}};
}

inline json tokenizer_config_of(const vocabulary_to_save& v) {
  json result = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  if (v.context) result["model_max_length"] = *v.context;
  const auto name = [&](const char* field, std::optional<std::int32_t> id, bool always) {
    if (id) result[field] = v.tokens[static_cast<std::size_t>(*id)].text;
    if (!id && always) result[field] = nullptr;
  };
  name("bos_token", v.special.bos, true);
  name("eos_token", v.special.eos, true);
  name("unk_token", v.special.unknown, true);
  name("pad_token", v.special.pad, true);
  name("cls_token", v.special.cls, false);
  name("sep_token", v.special.sep, false);
  name("mask_token", v.special.mask, false);
  return result;
}

/// The files of a folder that a tokenizer is read from, by their names.
inline std::vector<std::string> tokenizer_files(const std::string& folder) {
  std::vector<std::string> result;
  std::error_code error;
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                           "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "chat_template.jinja"})
    if (std::filesystem::is_regular_file(folder + "/" + name, error)) result.emplace_back(name);
  return result;
}

}  // namespace text_stage::detail

/// Writes the tokenizer at `source`, a folder or a file as load_tokenizer reads them, into the folder, and makes that
/// if it does not exist. All files are whole before the first of them gets its name. Throws std::invalid_argument,
/// naming the file, if the tokenizer cannot be read, or a token cannot be written into tokenizer.json.
inline void save_tokenizer(const std::string& source, const std::string& folder) {
  namespace detail = text_stage::detail;
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(source, error);
  const std::filesystem::path path(source);
  const std::string parent = path.parent_path().string(), from = is_folder ? source : parent.empty() ? "." : parent;
  std::vector<std::pair<std::string, std::string>> files;  // name, bytes
  std::vector<std::string> names = is_folder ? detail::tokenizer_files(source) : std::vector<std::string>();

  std::string made_from = source;
  if (is_folder && names.empty() && detail::file_exists(source + "/tokenizer.bin")) made_from += "/tokenizer.bin";
  const bool is_gguf = !is_folder && file_kind(memory_map(source).bytes()) == file_kinds::gguf;
  if (is_gguf || made_from.ends_with(".bin")) {
    const auto made = is_gguf ? detail::gguf_to_save(source) : detail::llama2c_to_save(made_from);
    files.emplace_back("tokenizer.json", detail::tokenizer_json_of(made).dump(2) + "\n");
    files.emplace_back("tokenizer_config.json", detail::tokenizer_config_of(made).dump(2) + "\n");
    if (made.chat_template) files.emplace_back("chat_template.jinja", *made.chat_template);
  } else {
    text_stage::load_pipeline(source);  // checks it
    if (!is_folder) {
      names = detail::tokenizer_files(from);
      // A file of another name gets the usual one.
      const std::string name = path.filename().string();
      if (std::ranges::find(names, name) == names.end()) {
        const std::string usual = name.ends_with(".model") ? "tokenizer.model"
                                  : name.ends_with(".txt") ? "vocab.txt"
                                                           : "tokenizer.json";
        std::erase_if(names, [&](const std::string& each) {
          return each == usual || each.starts_with("vocab.") || each == "merges.txt" || each == "tokenizer.json" ||
                 each == "tokenizer.model";
        });
        files.emplace_back(usual, detail::whole_file(source));
      }
    }
    for (const std::string& name : names) files.emplace_back(name, detail::whole_file(from + "/" + name));
  }

  make_folder(folder);
  std::vector<std::unique_ptr<output_file>> written;
  for (const auto& [name, bytes] : files) {
    written.push_back(std::make_unique<output_file>(folder + "/" + name));
    written.back()->write(bytes);
    written.back()->finish();
  }
  for (const auto& file : written) file->commit();
}

}  // namespace zoft::inline ZOFT_ISA::io
