// An optimizer of your own: Nesterov's momentum, with a velocity for each parameter.
//
// The engine never stores the gradient as a whole. It calls apply once for each piece of the parameters: element i of
// the piece is element p.first + i of the parameters. Before the first step it calls start, which makes the velocity.
// A start with other parameters would never be called, and so does not compile.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct nesterov {
  double learning_rate = 1e-3;
  double beta = 0.9;
  std::vector<double> velocity = {};

  void check() const {
    zoft::require(learning_rate > 0, "nesterov", "learning_rate", learning_rate, "above 0");
    zoft::require(beta >= 0 && beta < 1, "nesterov", "beta", beta, "in [0, 1)");
  }
  double rate(std::uint32_t) const { return learning_rate; }

  template <class T>
  void start(std::span<const T> x, const zoft::layout&) {
    velocity.assign(x.size(), 0.0);
  }

  template <class T>
  void apply(std::span<T> x, std::span<T> g, const zoft::update::piece& p) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      double& v = velocity[p.first + i];
      v = beta * v - p.rate * g[i];
      x[i] += static_cast<T>(beta * v - p.rate * g[i]);
    }
  }
};

double loss(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += 0.5 * std::pow(10.0, static_cast<double>(i % 3)) * x[i] * x[i];
  return sum;
}

int main() {
  std::vector<double> x(30, 1.0);
  zoft::engine tuner{zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-6, .queries = 16}, zoft::full{},
                     nesterov{.learning_rate = 5e-4, .beta = 0.9}, zoft::seed{42}};
  const double before = loss(x);
  for (int step = 0; step < 1000; ++step) tuner.step(std::span(x), loss);
  std::printf("nesterov: loss %g -> %g\n", before, loss(x));
  if (loss(x) < 1e-3 * before) return 0;
  std::puts("the loss did not fall to a thousandth");
  return 1;
}
