// error: the estimator, which comes second, must have check() const, which throws if an option is wrong
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct forward {
  std::size_t queries = 1;
  std::size_t evaluations() const { return 2; }
  zoft::point at(std::size_t i) const { return {0, i == 0 ? 0.0 : 1e-3}; }
  void coefficients(std::span<const double> losses, std::span<double> c) const {
    c[0] = (losses[1] - losses[0]) / 1e-3;
  }
};

int main() {
  zoft::engine tuner{zoft::gaussian{}, forward{}, zoft::full{}, zoft::sgd{}};
  std::vector<float> weights(10);
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
