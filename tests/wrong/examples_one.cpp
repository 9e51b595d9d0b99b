// error: the functor must be void(const auto& shown, zoft::example_losses), or double(std::span<const T>
#include <vector>
#include <zoft/method/per_example_lozo.hpp>

int main() {
  std::vector<float> weights(10);
  zoft::layout shape;
  shape.add("w", 2, 5);
  auto tuner = zoft::per_example_lozo({}, zoft::full{.layout = shape});
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
