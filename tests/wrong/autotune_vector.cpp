// error: x must be a std::span: write std::span(x)
#include <vector>
#include <zoft/autotune.hpp>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  zoft::autotune(tuner, weights, [](std::span<const float>) { return 1.0; });
}
