// error: the functor must return its loss, a number, and returns something else
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  tuner.step(std::span(weights), [](std::span<const float>) {});
}
