// error: x must be a std::span of float, double, zoft::bfloat16 or zoft::half, or a model that has what
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  std::vector<int> weights(10);
  auto tuner = zoft::mezo({});
  tuner.step(std::span(weights), [](std::span<const int>) { return 1.0; });
}
