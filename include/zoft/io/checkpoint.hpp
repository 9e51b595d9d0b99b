/// Opens a model in any of the formats that zoft reads.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "../core/config.hpp"
#include "file/file_kind.hpp"
#include "file/memory_map.hpp"
#include "file/weights.hpp"
#include "gguf/model.hpp"
#include "hugging_face.hpp"
#include "llama2c.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// A folder must be in Hugging Face's format, a file GGUF or llama2.c's. The checkpoint has every tensor that its shape
/// needs, in that shape. Throws std::invalid_argument with one line that names the file and what is wrong in it.
inline checkpoint open_checkpoint(const std::string& path) {
  require(!path.empty(), "the path of a model is empty");
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_hugging_face(path);
  for (const std::string_view ending : {".safetensors", ".json"})
    if (path.ends_with(ending))
      fail(path + ": is one file of a model; give the folder that holds config.json and model.safetensors");
  return file_kind(memory_map(path).bytes()) == file_kinds::gguf ? open_gguf(path) : open_llama2c(path);
}

}  // namespace zoft::inline ZOFT_ISA::io
