/// Finds out what a file is, and reads it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../../core/config.hpp"
#include "../file/file_kind.hpp"
#include "../file/json.hpp"
#include "../file/memory_map.hpp"
#include "gguf_vocabulary.hpp"
#include "llama2c_pipeline.hpp"
#include "pipeline.hpp"
#include "sentencepiece.hpp"
#include "tokenizer_json.hpp"
#include "vocabulary_files.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

inline pipeline load_json_pipeline(const std::string& path, const std::string& folder) {
  const json root = parse_json(text_of_file(path), path);
  // A vocabulary may have a token "model", with its id.
  const json* model = fields(root, path).find("model");
  if (std::filesystem::path(path).filename() == "vocab.json" && (model == nullptr || !model->is_object()))
    return read_vocab_and_merges(folder);
  pipeline p = read_tokenizer_json(root, path);
  read_special_tokens(p, folder);
  return p;
}

/// `path` is a folder or a file: see load_tokenizer.
inline pipeline load_pipeline(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tokenizer.bin"}) {
      const std::string file = path + "/" + name;
      if (!detail::file_exists(file)) continue;
      if (std::string_view(name) == "vocab.json" && !detail::file_exists(path + "/merges.txt"))
        fail(path + ": has vocab.json without merges.txt, which byte-level BPE needs");
      return load_pipeline(file);
    }
    fail(path +
         ": has no tokenizer: tokenizer.json, tokenizer.model, vocab.json and merges.txt, vocab.txt, or "
         "tokenizer.bin");
  }
  const std::filesystem::path parts(path);
  const std::string parent = parts.parent_path().string(), folder = parent.empty() ? "." : parent;
  const std::string name = parts.filename().string(), extension = parts.extension().string();
  std::string_view kind;
  {
    const memory_map file(path);
    kind = file_kind(file.bytes());
  }
  if (kind == file_kinds::gguf || extension == ".gguf") return read_gguf_tokenizer(path);
  if (kind == file_kinds::json || extension == ".json") return load_json_pipeline(path, folder);
  if (!kind.empty()) fail(path + ": is " + std::string(kind) + ", and must be a tokenizer");
  if (name == "merges.txt") return read_vocab_and_merges(folder);
  if (extension == ".txt") return read_vocab_txt(path, folder);
  if (extension == ".model") return read_sentencepiece(path, folder);
  if (extension == ".bin") return read_llama2c(path);
  fail(path + ": is no tokenizer that zoft knows: .json, .model, .txt, .bin or .gguf");
}

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
