// error: the functor must be double(std::span<const T>), which returns the loss, or
#include <vector>
#include <zoft/prge.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::prge({});
  tuner.step(std::span(weights), [](zoft::candidates<float>, std::span<float>) {});
}
