// 1. A first estimate of a gradient.
//
// A function can be asked only for its value. Move x a little along a random direction z and ask twice:
//
//     slope = (f(x + εz) − f(x − εz)) / 2ε ≈ ∇f·z
//
// slope·z then points uphill, more or less, and its mean over all directions is the gradient itself.
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/sampler/gaussian.hpp>

double f(std::span<const double> x) { return (x[0] - 1) * (x[0] - 1) + 10 * x[1] * x[1] + std::sin(x[2]); }

int main() {
  const std::vector<double> x{2, 1, 0};
  const std::vector<double> gradient{2, 20, 1};  // of f at x, by hand
  const double epsilon = 1e-4;
  const zoft::gaussian sampler;

  std::vector<double> mean(3, 0.0);
  std::printf("directions     estimate of the gradient (2, 20, 1)         error\n");
  for (std::uint32_t i = 0, next = 1; i < 100000; ++i) {
    const zoft::direction d{.seed = 42, .step = 0, .query = i};  // the name of z: it is never stored
    std::vector<double> there = x;
    sampler.axpy(std::span(there), epsilon, d);  // x + εz
    const double above = f(there);
    sampler.axpy(std::span(there), -2 * epsilon, d);  // x − εz, by the same z
    const double slope = (above - f(there)) / (2 * epsilon);
    sampler.axpy(std::span(mean), slope, d);  // the sum of slope·z, by the same z again

    if (i + 1 != next) continue;
    double error = 0;
    for (std::size_t j = 0; j < 3; ++j) error += std::pow(mean[j] / next - gradient[j], 2);
    std::printf("%10u     (%8.3f, %8.3f, %8.3f)             %8.3f\n", next, mean[0] / next, mean[1] / next,
                mean[2] / next, std::sqrt(error));
    next *= 10;
  }
  std::printf(
      "\nOne direction is a poor estimate, and yet all that MeZO takes for a step: over many small steps the errors\n"
      "cancel as they do here, and each step costs two evaluations whatever the number of parameters.\n");
}
