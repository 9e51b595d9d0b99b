#include "tokens.hpp"

ZOFT_FUZZ(tokenizer_json) {
  using namespace zoft::io;
  fuzz::use_tokenizer(text_stage::read_tokenizer_json(parse_json(bytes, "tokenizer.json"), "tokenizer.json"), bytes);
}
