// error: the sampler, which comes first, must be copyable and have a template over the type of numbers
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct spikes {
  template <class T>
  void axpy(std::span<T>, T, zoft::direction) const {}
};

int main() {
  zoft::engine tuner{spikes{}, zoft::two_point{}, zoft::full{}, zoft::sgd{}};
  std::vector<float> weights(10);
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
