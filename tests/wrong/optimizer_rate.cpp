// error: the optimizer must have rate(std::uint32_t step) const, which returns the learning rate
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct descent {
  double learning_rate = 1e-3;
  void check() const {}
  template <class T>
  void apply(std::span<T> x, std::span<T> g, const zoft::update::piece& p) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= T(p.rate) * g[i];
  }
};

int main() {
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, descent{}};
  std::vector<float> weights(10);
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
