// 3. Variance against q.
//
// A step may ask along q directions and take the mean. The variance of ĝ falls as 1/q, and so it should: q directions
// cost q times as much. Nothing is won a forward, unless the q forwards can be evaluated together, which P-RGE does.
// Signs instead of gaussians are a little better: (zᵀg)z has the least variance that is possible.
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/engine.hpp>
#include <zoft/zoft.hpp>

constexpr std::size_t size = 20;

double f(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v / 2;
  return sum;
}

/// E ‖ĝ − g‖² / ‖g‖², over 2,000 estimates. A step at rate 1 from x leads to x − ĝ.
template <class Sampler>
double variance(Sampler sampler, std::size_t queries) {
  zoft::engine tuner{sampler, zoft::two_point{.epsilon = 1e-3, .queries = queries}, zoft::full{},
                     zoft::sgd{.learning_rate = 1}, zoft::seed{7}};
  double sum = 0;
  constexpr int estimates = 2000;
  for (int i = 0; i < estimates; ++i) {
    std::vector<double> x(size, 1.0);  // where the gradient is (1, …, 1)
    tuner.step(std::span(x), f);
    for (const double v : x) sum += v * v;  // (x − ĝ)² = (g − ĝ)²
  }
  return sum / estimates / size;
}

int main() {
  std::printf("    q     gaussian   (n + 1)/q    rademacher   (n − 1)/q\n");
  for (const std::size_t q : {1u, 2u, 4u, 8u, 16u, 32u}) {
    const double of_q = static_cast<double>(q);
    std::printf("%5zu   %10.3f  %10.3f    %10.3f  %10.3f\n", q, variance(zoft::gaussian{}, q), (size + 1) / of_q,
                variance(zoft::rademacher{}, q), (size - 1) / of_q);
  }
  std::printf(
      "\nThe variance grows with the number of parameters: that is the price of not having a gradient, and why it "
      "pays\n"
      "to train few of them (LoRA-FA), or along few dimensions (LOZO).\n");
}
