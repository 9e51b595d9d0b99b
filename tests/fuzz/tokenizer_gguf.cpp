// The tokenizer in a GGUF file.
#include "tokens.hpp"

ZOFT_FUZZ(tokenizer_gguf) {
  fuzz::use_tokenizer(zoft::io::text_stage::read_gguf_tokenizer(fuzz::file::of(bytes)), bytes);
}
