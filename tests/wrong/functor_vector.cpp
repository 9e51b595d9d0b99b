// error: the functor must be double(std::span<const T>), which returns the loss, or
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  tuner.step(std::span(weights), [](const std::vector<float>& w) { return double(w[0]); });
}
