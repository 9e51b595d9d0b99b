// llama2.c's checkpoints.
#include <string>
#include <vector>
#include <zoft/io/llama2c.hpp>

#include "entry.hpp"

ZOFT_FUZZ(llama2c) {
  using namespace zoft::io;
  const checkpoint model = open_llama2c(fuzz::file::of(bytes));
  for_each_tensor(model.shape(), [&](const std::string& name, const std::vector<std::size_t>& shape) {
    std::vector<float> values(elements(shape));
    fuzz::accepts([&] { model.read(name, shape, values); });
  });
}
