// GGUF: the file itself, and the model or adapter in it.
#include <string>
#include <vector>
#include <zoft/io/file/gguf.hpp>
#include <zoft/io/gguf/model.hpp>
#include <zoft/io/gguf_adapter.hpp>

#include "entry.hpp"

ZOFT_FUZZ(gguf) {
  using namespace zoft::io;
  const std::string& path = fuzz::file::of(bytes);
  {
    const gguf file(path);
    for (const auto& [key, value] : file.metadata()) {
      static_cast<void>(shown(value));
      if (!value.is_list) continue;
      fuzz::check(value.count <= bytes.size(), "a list is longer than its file");
      if (value.type == gguf_type::string) static_cast<void>(file.strings(key));
      if (value.type == gguf_type::i32) static_cast<void>(file.integers(key));
      if (value.type == gguf_type::boolean) static_cast<void>(file.booleans(key));
      if (value.real(0)) static_cast<void>(file.reals(key));
    }
    for (const auto& [name, view] : file.tensors()) {
      if (!is_widened(view.type)) continue;
      std::vector<float> values(view.size());
      widen(view, values);
    }
  }
  fuzz::accepts([&] { read_gguf_adapter(path); });
  const checkpoint model = open_gguf(path);
  for_each_tensor(model.shape(), [&](const std::string& name, const std::vector<std::size_t>& shape) {
    std::vector<float> values(elements(shape));
    fuzz::accepts([&] { model.read(name, shape, values); });
  });
}
