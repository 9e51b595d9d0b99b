/// llama2.c's tokenizer as a pipeline, so that it can be used like any other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "llama2c.hpp"
#include "pipeline.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// The whole text at once. It puts a space in front.
class llama2c_model {
 public:
  struct memory {};
  explicit llama2c_model(llama2c_tokenizer tokens) : tokens_(std::move(tokens)) {}
  void encode(std::string_view text, std::vector<std::int32_t>& ids, memory&) const {
    const auto found = tokens_.encode(text, false, false);
    ids.insert(ids.end(), found.begin(), found.end());
  }

 private:
  llama2c_tokenizer tokens_;
};

/// tokenizer.bin. Its special tokens are not found in texts.
inline pipeline read_llama2c(const std::string& path) {
  llama2c_tokenizer tokens(path);
  pipeline p;
  for (std::size_t i = 0; i < tokens.size(); ++i) p.words.add(i, tokens[i].text, path);
  p.special.unknown = llama2c_tokenizer::unknown;
  p.special.bos = llama2c_tokenizer::bos;
  p.special.eos = llama2c_tokenizer::eos;
  for (const std::int32_t id : {llama2c_tokenizer::bos, llama2c_tokenizer::eos})
    p.special_texts.insert(tokens[static_cast<std::size_t>(id)].text);
  p.before = {llama2c_tokenizer::bos};
  p.decode.add(decode_byte_fallback);
  p.decode.add(fuse);
  p.decode.add([](decoder::texts& texts) { decode_strip(texts, " ", 1, 0); });
  p.model = std::make_shared<model_of<llama2c_model>>(llama2c_model(std::move(tokens)));
  return p;
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
