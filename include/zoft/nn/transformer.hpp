/// The built-in transformer, and the function that loads it.
#pragma once

#include <string>

#include "../io/checkpoint.hpp"
#include "kernel/start.hpp"
#include "model/transformer.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The model in a Hugging Face folder or a llama2.c file. Throws std::invalid_argument with one line that names the
/// file and what is wrong in it.
inline transformer load(const std::string& path, const load_options& o = {}) {
  return transformer(io::open_checkpoint(path), o);
}

}  // namespace zoft::inline ZOFT_ISA::nn
