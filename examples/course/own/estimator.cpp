// An estimator of your own: three points a direction, θ, θ + εz and θ - εz.
//
// They give the slope of the loss along z, and its curvature. Slope over curvature is the distance to the minimum of
// the parabola through the three points. So a learning rate of 1 steps to that minimum, whatever the scale of the loss.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct parabola {
  double epsilon = 1e-3;
  std::size_t queries = 1;
  double flattest = 1e-3;  // any curvature below this counts as this

  void check() const {
    zoft::require(epsilon > 0, "parabola", "epsilon", epsilon, "above 0");
    zoft::require(queries > 0, "parabola", "queries", queries, "at least 1");
    zoft::require(flattest > 0, "parabola", "flattest", flattest, "above 0");
  }
  std::size_t evaluations() const { return 1 + 2 * queries; }

  // Point 0 is θ itself; 2k + 1 and 2k + 2 are those along direction k.
  zoft::point at(std::size_t i) const {
    if (i == 0) return {};
    return {.query = (i - 1) / 2, .scale = i % 2 == 1 ? epsilon : -epsilon};
  }

  void coefficients(std::span<const double> losses, std::span<double> c) const {
    for (std::size_t k = 0; k < queries; ++k) {
      const double here = losses[0], up = losses[2 * k + 1], down = losses[2 * k + 2];
      const double slope = (up - down) / (2 * epsilon), curvature = (up - 2 * here + down) / (epsilon * epsilon);
      c[k] = slope / std::max(std::abs(curvature), flattest) / static_cast<double>(queries);
    }
  }
};

double loss(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(10.0, static_cast<double>(i)) * x[i] * x[i];
  return sum;
}

int main() {
  std::vector<double> x(5, 1.0);
  zoft::engine tuner{zoft::gaussian{}, parabola{.epsilon = 1e-3}, zoft::full{}, zoft::sgd{.learning_rate = 1},
                     zoft::seed{42}};
  const double before = loss(x);
  for (int step = 0; step < 1000; ++step) tuner.step(std::span(x), loss);
  std::printf("parabola: loss %g -> %g\n", before, loss(x));
  if (loss(x) < 1e-4 * before) return 0;
  std::puts("the loss did not fall to a ten-thousandth");
  return 1;
}
