// error: the functor must be void(const auto& shown, zoft::example_losses losses, zoft::observations&): each
#include <vector>
#include <zoft/method/observed.hpp>

int main() {
  std::vector<float> weights(10);
  auto tuner = zoft::observed({});
  tuner.step(std::span(weights), [](zoft::candidates<float>, std::span<double>) {});
}
