// error: the sampler must have axpy for x's numbers too: double for double, and float for others
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct spikes {
  void axpy(std::span<float>, float, zoft::direction, std::uint64_t = 0) const {}
};

int main() {
  zoft::engine tuner{spikes{}, zoft::two_point{}, zoft::full{}, zoft::sgd{}};
  std::vector<double> weights(10);
  tuner.step(std::span(weights), [](std::span<const double>) { return 1.0; });
}
