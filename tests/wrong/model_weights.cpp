// error: x must be a std::span of float, double, zoft::bfloat16 or zoft::half, or a model that has what
#include <vector>
#include <zoft/mezo.hpp>

struct network {};

int main() {
  network model;
  auto tuner = zoft::mezo({});
  tuner.step(model, [](std::span<const float>) { return 1.0; });
}
