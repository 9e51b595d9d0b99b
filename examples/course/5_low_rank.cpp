// 5. Low rank.
//
// LOZO perturbs a matrix by U Vᵀ, with r columns each, and keeps V for some steps. The gradients of real models are
// nearly of low rank, so little is lost; what is won is that the noise of a (64 × 64) matrix is 2·64·r numbers, and
// that its momentum fits in U: 64·r numbers where a dense one has 64·64.
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/lozo.hpp>
#include <zoft/method/lozo_m.hpp>
#include <zoft/mezo.hpp>

constexpr std::size_t rows = 64, columns = 64, examples = 128;

/// Mean squared error of y = W x where the right W is of rank 1.
double f(std::span<const double> w, std::span<const double> inputs) {
  double sum = 0;
  for (std::size_t e = 0; e < examples; ++e) {
    const auto x = inputs.subspan(e * columns, columns);
    double first = 0;
    for (std::size_t j = 0; j < columns / 2; ++j) first += x[j];
    for (std::size_t i = 0; i < rows; ++i) {
      double y = 0;
      for (std::size_t j = 0; j < columns; ++j) y += w[i * columns + j] * x[j];
      const double error = y - (i % 2 == 0 ? 0.1 : -0.1) * first;
      sum += error * error;
    }
  }
  return sum / (rows * examples);
}

template <class Tuner>
void descend(const char* name, Tuner tuner, std::span<const double> inputs) {
  std::vector<double> w(rows * columns, 0.0);
  const auto loss = [&](std::span<const double> at) { return f(at, inputs); };
  std::printf("%-8s", name);
  for (int step = 0; step <= 800; ++step) {
    if (step % 200 == 0) std::printf("  %9.5f", loss(w));
    tuner.step(std::span(w), loss);
  }
  std::printf("\n");
}

int main() {
  std::vector<double> inputs(examples * columns, 0.0);
  zoft::gaussian{}.axpy(std::span(inputs), 1.0, zoft::direction{1, 0, 0});
  zoft::layout shape;
  shape.add("W", rows, columns);

  std::printf("steps            0        200        400        600        800\n");
  descend("mezo", zoft::mezo({.learning_rate = 5e-3, .seed = 1}), inputs);
  descend("lozo", zoft::lozo({.rank = 2, .interval = 50, .learning_rate = 1e-2, .seed = 1}, shape), inputs);
  descend("lozo_m", zoft::lozo_m({.rank = 2, .interval = 50, .learning_rate = 1e-2, .seed = 1}, shape), inputs);
  std::printf(
      "\nAll three make about the same way here, forward for forward. MeZO with momentum would keep %zu numbers "
      "beside\n"
      "the weights; LOZO-M keeps %zu, and the fewer the larger the matrix.\n",
      rows * columns, 2 * rows);
}
