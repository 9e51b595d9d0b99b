// error: the estimator must have at(std::size_t i) const or at(std::size_t i, const zoft::step_view&) const
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct forward {
  std::size_t queries = 1;
  void check() const {}
  std::size_t evaluations() const { return 2; }
  double at(std::size_t i) const { return i == 0 ? 0.0 : 1e-3; }
  void coefficients(std::span<const double> losses, std::span<double> c) const {
    c[0] = (losses[1] - losses[0]) / 1e-3;
  }
};

int main() {
  zoft::engine tuner{zoft::gaussian{}, forward{}, zoft::full{}, zoft::sgd{}};
  std::vector<float> weights(10);
  tuner.step(std::span(weights), [](std::span<const float>) { return 1.0; });
}
