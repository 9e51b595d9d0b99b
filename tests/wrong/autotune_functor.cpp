// error: the functor must return its loss, a number, and returns something else
#include <vector>
#include <zoft/autotune.hpp>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  zoft::autotune(tuner, std::span(weights), [](std::span<const float>) {});
}
