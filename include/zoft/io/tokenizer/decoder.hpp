/// How tokens become text again: tokenizer.json's decoders.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "bytes_as_characters.hpp"
#include "code_points.hpp"
#include "normalizer.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// Steps one after the other. Each changes the list of the tokens' texts, which are joined in the end: with a space if
/// there is no step at all.
class decoder {
 public:
  using texts = std::vector<std::string>;
  using step = std::function<void(texts&)>;

  void add(step next) { steps_.push_back(std::move(next)); }
  std::size_t size() const { return steps_.size(); }

  /// Throws if the texts grow manyfold.
  std::string operator()(texts tokens) const {
    const auto bytes = [&] {
      std::size_t sum = 0;
      for (const std::string& token : tokens) sum += token.size();
      return sum;
    };
    const std::size_t before = bytes();
    for (const step& next : steps_) {
      next(tokens);
      check_growth(before, bytes(), "decoder");
    }
    std::string result;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && steps_.empty()) result += ' ';
      result += tokens[i];
    }
    return result;
  }

 private:
  std::vector<step> steps_;
};

/// Fuse: one text of all.
inline void fuse(decoder::texts& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens.assign(1, std::move(all));
}

/// ByteLevel: characters to the bytes that they stand for. A token with other characters stays as it is. Bytes that are
/// not UTF-8 become U+FFFD.
inline void decode_byte_level(decoder::texts& tokens) {
  std::string all;
  for (const std::string& token : tokens) {
    const auto bytes = bytes_of_token(token);
    all += bytes ? *bytes : token;
  }
  tokens.assign(1, is_utf8(all) ? std::move(all) : repaired_utf8(all));
}

/// ByteFallback: runs of tokens like <0x0A> to their bytes. If those are not UTF-8, each becomes U+FFFD.
inline void decode_byte_fallback(decoder::texts& tokens) {
  decoder::texts result;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (is_utf8(run))
      result.push_back(run);
    else
      result.insert(result.end(), run.size(), "\xef\xbf\xbd");
    run.clear();
  };
  for (std::string& token : tokens) {
    if (const int byte = byte_of_token(token); byte >= 0) {
      run += static_cast<char>(byte);
    } else {
      flush();
      result.push_back(std::move(token));
    }
  }
  flush();
  tokens = std::move(result);
}

/// Metaspace: ▁ to a space. In the first token, it goes if the tokenizer puts one there.
inline void decode_metaspace(decoder::texts& tokens, const std::string& mark, bool prefixed) {
  for (std::size_t i = 0; i < tokens.size(); ++i) replace_string(tokens[i], mark, i == 0 && prefixed ? "" : " ");
}

/// English without the spaces that dividing it put in.
inline void clean_up(std::string& text) {
  for (const auto& [from, to] : {std::pair{" .", "."},
                                 {" ?", "?"},
                                 {" !", "!"},
                                 {" ,", ","},
                                 {" ' ", "'"},
                                 {" n't", "n't"},
                                 {" 'm", "'m"},
                                 {" do not", " don't"},
                                 {" 's", "'s"},
                                 {" 've", "'ve"},
                                 {" 're", "'re"}})
    replace_string(text, from, to);
}

/// WordPiece: tokens that continue a word are joined to it, and others get a space in front.
inline void decode_wordpiece(decoder::texts& tokens, const std::string& prefix, bool cleaned) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) {
      if (tokens[i].starts_with(prefix))
        tokens[i].erase(0, prefix.size());
      else
        tokens[i].insert(0, 1, ' ');
    }
    if (cleaned) clean_up(tokens[i]);
  }
}

/// BPEDecoder: the mark of a word's end to a space, but not at the text's end.
inline void decode_suffix(decoder::texts& tokens, const std::string& suffix) {
  for (std::size_t i = 0; i < tokens.size(); ++i) replace_string(tokens[i], suffix, i + 1 == tokens.size() ? "" : " ");
}

/// Strip: at most so many of a character at either end of each token.
inline void decode_strip(decoder::texts& tokens, const std::string& character, std::size_t start, std::size_t stop) {
  if (character.empty()) return;
  for (std::string& token : tokens) {
    std::string_view rest = token;
    for (std::size_t i = 0; i < start && rest.starts_with(character); ++i) rest.remove_prefix(character.size());
    for (std::size_t i = 0; i < stop && rest.ends_with(character); ++i) rest.remove_suffix(character.size());
    token = std::string(rest);
  }
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
