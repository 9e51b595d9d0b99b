// error: the functor must take losses of the batch, std::span<double>: only with an estimator such as
#include <vector>
#include <zoft/core/examples.hpp>
#include <zoft/prge.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::prge({});
  tuner.step(std::span(weights), [](zoft::candidates<float>, zoft::example_losses) {});
}
