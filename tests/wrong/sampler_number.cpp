// error: the sampler, which comes first, must be copyable and have a template over the type of numbers
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

int main() {
  zoft::engine tuner{42, zoft::two_point{}, zoft::full{}, zoft::sgd{}};
  std::vector<float> weights(10);
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
