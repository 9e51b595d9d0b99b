// llama2.c's tokenizer.bin.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include <zoft/io/tokenizer/llama2c.hpp>

#include "entry.hpp"

ZOFT_FUZZ(tokenizer_bin) {
  const zoft::io::llama2c_tokenizer tokens(fuzz::file::of(bytes));
  for (const std::string_view text :
       {std::string_view("Once \xc3\xa9\xc3 abab\n"), std::string_view("\0\xff", 2), bytes.substr(0, 64)}) {
    const std::vector<std::int32_t> ids = tokens.encode(text, true, true);
    fuzz::check(ids.size() >= 2 && ids.size() <= text.size() + 3, "more tokens than bytes");
    tokens.decode(ids);
  }
}
