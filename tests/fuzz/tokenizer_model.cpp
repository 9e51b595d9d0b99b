// SentencePiece's tokenizer.model.
#include "tokens.hpp"

ZOFT_FUZZ(tokenizer_model) {
  const std::string& path = fuzz::file::of(bytes);
  fuzz::use_tokenizer(zoft::io::text_stage::read_sentencepiece(path, path + ".folder"), bytes);
}
