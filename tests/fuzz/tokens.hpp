// What the fuzzers of tokenizers do with one that was read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zoft/io/tokenizer.hpp>

#include "entry.hpp"

namespace fuzz {

/// Encodes and decodes a text of many scripts, one that is no UTF-8, and the beginning of the file itself.
inline void use_tokenizer(zoft::io::text_stage::pipeline stages, std::string_view bytes) {
  const zoft::io::tokenizer words(std::move(stages));
  for (const std::string_view text : {std::string_view("Hello  wor\u00e9ld \u2581a <s>[MASK] it's 1234\n"),
                                      std::string_view("\xff\xc3 ab\0c", 8), bytes.substr(0, 64)}) {
    const std::vector<std::int32_t> ids = words.encode(text);
    check(zoft::io::is_utf8(words.decode(ids)), "a decoded text is not UTF-8");
    words.encode(text, {.special = false, .parse_special = false});
  }
  words.decode(std::vector<std::int32_t>{-1, 0, 1, 2, 1'000'000, INT32_MAX, INT32_MIN});
  for (std::int32_t id = 0; id < 20; ++id) words.text_of(id);
}

}  // namespace fuzz
