// error: the functor must be zoft::dual<T>(std::span<const zoft::dual<T>>)
#include <vector>
#include <zoft/method/forward_gradient_descent.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::forward_gradient_descent({});
  tuner.step(std::span(weights), [](zoft::candidates<float>, std::span<double>) {});
}
