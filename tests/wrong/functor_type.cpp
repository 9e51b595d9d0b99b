// error: the functor must take x's type of numbers, T: double(std::span<const T>), or
#include <vector>
#include <zoft/mezo.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::mezo({});
  tuner.step(std::span(weights), [](std::span<const double> w) { return w[0]; });
}
