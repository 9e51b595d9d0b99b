// error: the adapter owns what is trained, so x must be left out
#include <vector>
#include <zoft/prge.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::prge({}, zoft::lora_fa{});
  tuner.step(std::span(weights), [](zoft::candidates<float>, std::span<double>) {});
}
