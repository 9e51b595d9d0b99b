/// How llama.cpp's GGUF files name the patterns that divide a text for byte-level BPE: tokenizer.ggml.pre.
#pragma once

#include <array>
#include <string_view>

#include "../../core/config.hpp"
#include "json_stages.hpp"
#include "vocabulary_files.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// As qwen2_pattern, with numbers of at most three digits.
inline constexpr const char* llama3_pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                                              R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Marks belong to letters.
inline constexpr const char* qwen35_pattern = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}|)"
                                              R"( ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
/// Words end where lower case meets upper case; contractions belong to the word before them.
inline constexpr const char* gpt4o_pattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr const char* tekken_pattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Patterns that are used one after the other, each on the pieces of those before it; null ends them.
struct gguf_division {
  std::string_view name;
  std::array<const char*, 4> patterns;
  bool ignore_merges = false;
  bool bos = false;       ///< BOS before a text, unless the file says otherwise
  bool encloses = false;  ///< BOS before and EOS after it
};

inline constexpr const char* digit_pattern = R"(\p{N})";
inline constexpr gguf_division gguf_divisions[] = {
    {"default", {R"([\p{P}\$\+<=>\^~\|]+)", gpt2_pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
    {"gpt-2", {gpt2_pattern}},
    {"phi-2", {gpt2_pattern}},
    {"mpt", {gpt2_pattern}},
    {"olmo", {gpt2_pattern}},
    {"jais", {gpt2_pattern}},
    {"mellum", {gpt2_pattern}},
    {"modern-bert", {gpt2_pattern}},
    {"exaone4", {gpt2_pattern}},
    {"jina-es", {gpt2_pattern}},
    {"jina-de", {gpt2_pattern}},
    {"jina-v2-es", {gpt2_pattern}},
    {"jina-v2-de", {gpt2_pattern}},
    {"granite-docling", {gpt2_pattern}},
    {"roberta-bpe", {gpt2_pattern}, false, true, true},
    {"jina-v1-en", {gpt2_pattern}, false, true, true},
    {"jina-v2-code", {gpt2_pattern}, false, true, true},
    {"starcoder", {digit_pattern, gpt2_pattern}},
    {"refact", {digit_pattern, gpt2_pattern}},
    {"command-r", {digit_pattern, gpt2_pattern}},
    {"smollm", {digit_pattern, gpt2_pattern}},
    {"codeshell", {digit_pattern, gpt2_pattern}},
    {"exaone", {digit_pattern, gpt2_pattern}},
    {"minerva-7b", {digit_pattern, gpt2_pattern}},
    {"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2_pattern, "[0-9][0-9][0-9]"}},
    {"llama-bpe", {llama3_pattern}, true, true},
    {"llama3", {llama3_pattern}, true, true},
    {"llama-v3", {llama3_pattern}, true, true},
    {"falcon3", {llama3_pattern}, true, true},
    {"falcon-h1", {llama3_pattern}, true, true},
    {"pixtral", {llama3_pattern}, true, true},
    {"lfm2", {llama3_pattern}, true, true},
    {"dbrx", {llama3_pattern}},
    {"smaug-bpe", {llama3_pattern}},
    {"chatglm-bpe", {llama3_pattern}},
    {"glm4", {llama3_pattern}, true},
    {"qwen2", {qwen2_pattern}},
    {"deepseek-r1-qwen", {qwen2_pattern}},
    {"stablelm2", {qwen2_pattern}},
    {"megrez", {qwen2_pattern}},
    {"hunyuan", {qwen2_pattern}},
    {"qwen35", {qwen35_pattern}},
    {"gpt-4o", {gpt4o_pattern}},
    {"llama4", {gpt4o_pattern}},
    {"tekken", {tekken_pattern}, true, true},
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
