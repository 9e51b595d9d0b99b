// error: x is what is trained, and must be a std::span of numbers that are not const
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  const std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
