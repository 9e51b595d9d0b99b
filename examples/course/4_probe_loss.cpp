// 4. Why the mean of the probes is not the loss.
//
// A step's losses are those of points around θ, a distance of ε√n away. Their mean lies above the loss at θ by about
// ε²/2 times the sum of all n curvatures: a constant that does not fall when the loss does. Whoever plots it sees a
// floor that is not there.
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/mezo.hpp>

double f(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v / 2;  // every curvature is 1: their sum is n
  return sum;
}

int main() {
  constexpr std::size_t n = 1000;
  constexpr double epsilon = 0.1;
  std::vector<double> x(n, 0.2);
  auto tuner = zoft::mezo({.epsilon = epsilon, .learning_rate = 5e-4, .seed = 3});

  std::printf("   step     loss at θ    mean of the probes    loss + ε²n/2\n");
  for (int step = 0; step <= 20000; ++step) {
    const double loss = f(x);
    const zoft::step_report report = tuner.step(std::span(x), f);
    if (step % 2500 == 0)
      std::printf("%7d  %12.4f  %20.4f  %14.4f\n", step, loss, report.probe_loss, loss + epsilon * epsilon * n / 2);
  }
  std::printf(
      "\nzoft calls that mean probe_loss, so that nobody takes it for the loss. To know the loss, evaluate at θ: once "
      "in\n"
      "a hundred steps costs half a per cent.\n");
}
