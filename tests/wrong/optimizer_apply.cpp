// error: the optimizer must be copyable and have a template apply<T>(std::span<T> x, std::span<T> g, const
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct descent {
  double learning_rate = 1e-3;
  void check() const {}
  double rate(std::uint32_t) const { return learning_rate; }
  template <class T>
  void apply(std::span<T> x, std::span<T> g, double rate) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= T(rate) * g[i];
  }
};

int main() {
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, descent{}};
  std::vector<float> weights(10);
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
