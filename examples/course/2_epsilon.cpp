// 2. Why ε matters.
//
// The slope along z is wrong for two reasons. Too large an ε looks past the curvature: the error grows as ε². Too small
// an ε drowns in the noise of the values, if only that of their rounding: the error grows as 1/ε. In float, whose
// numbers have 24 bits, the best ε is far larger than in double, and in bfloat16 larger again.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/sampler/gaussian.hpp>

constexpr std::size_t size = 100;

/// A sum of e^x, in the arithmetic of T from beginning to end.
template <class T>
double f(std::span<const T> x) {
  T sum = 0;
  for (const T v : x) sum += std::exp(v);
  return static_cast<double>(sum);
}

/// The error of a slope relative to the gradient's length, as its median over 99 directions.
template <class T>
double error(double epsilon) {
  std::vector<T> x(size), back(size);
  for (std::size_t i = 0; i < size; ++i) x[i] = static_cast<T>(i) / size;
  std::vector<double> errors;
  for (std::uint32_t query = 0; query < 99; ++query) {
    const zoft::direction d{.seed = 1, .step = 0, .query = query};
    std::vector<double> z(size, 0.0);
    zoft::gaussian{}.axpy(std::span(z), 1.0, d);
    double exact = 0, length = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const double slope = std::exp(static_cast<double>(x[i]));
      exact += slope * z[i];
      length += slope * slope;
    }
    auto above = x, below = x;
    zoft::gaussian{}.axpy(std::span(above), static_cast<T>(epsilon), d);
    zoft::gaussian{}.axpy(std::span(below), static_cast<T>(-epsilon), d);
    const double slope = (f<T>(above) - f<T>(below)) / (2 * epsilon);
    errors.push_back(std::abs(slope - exact) / std::sqrt(length));
  }
  std::nth_element(errors.begin(), errors.begin() + 49, errors.end());
  return errors[49];
}

int main() {
  std::printf("   epsilon     error in double      error in float\n");
  for (double epsilon = 1; epsilon > 1e-9; epsilon /= 10)
    std::printf("%10.0e  %18.1e  %18.1e\n", epsilon, error<double>(epsilon), error<float>(epsilon));
  std::printf(
      "\nBoth columns fall as ε² and rise again as 1/ε. The lowest error of a float is at an ε that is a thousand "
      "times\n"
      "that of a double. A model's loss is noisier than this sum: see zoft::autotune, which measures the noise "
      "first.\n");
}
