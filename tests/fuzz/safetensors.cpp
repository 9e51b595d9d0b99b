#include <vector>
#include <zoft/io/file/safetensors.hpp>

#include "entry.hpp"

ZOFT_FUZZ(safetensors) {
  const zoft::io::safetensors file(fuzz::file::of(bytes));
  for (const auto& [name, view] : file.tensors()) {
    fuzz::check(view.bytes.size() <= bytes.size(), "a tensor is larger than its file");
    if (!zoft::io::is_widened(view.type)) continue;
    std::vector<float> values(view.size());
    widen(view, values);
  }
}
