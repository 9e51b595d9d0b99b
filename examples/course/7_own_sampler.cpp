// 7. A sampler of one's own.
//
// Any copyable type with axpy is a sampler: x[i] += a·z(d)[first + i], where z must be a function of d and the index.
// This one is for functions on a grid. Neighbours are moved together, since it is the long waves that matter there: z
// is a sum of sines, low ones mostly, with random strengths.
#include <cmath>
#include <cstdio>
#include <numbers>
#include <span>
#include <vector>
#include <zoft/concepts.hpp>
#include <zoft/random/stream.hpp>
#include <zoft/zoft.hpp>

constexpr std::size_t size = 200;

struct waves {
  std::size_t count = 12;

  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first = 0) const {
    std::vector<double> strength(count, 0.0);
    zoft::gaussian{}.axpy(std::span(strength), 1.0, d);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double z = 0;
      for (std::size_t k = 0; k < count; ++k) {
        const double turns = static_cast<double>((k + 1) * (first + i)) / (2.0 * size);
        z += strength[k] * std::sin(2 * std::numbers::pi * turns);
      }
      x[i] += static_cast<T>(static_cast<double>(a) * z);
    }
  }
};
static_assert(zoft::sampler<waves, float> && zoft::sampler<waves, double>);

/// The distance of a curve from one that is to be found, as a sensor would report it: a single number.
double f(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const double at = static_cast<double>(i) / size;
    const double wanted = std::sin(3 * at) * (1 - at) + 0.3 * std::sin(9 * at);
    sum += (x[i] - wanted) * (x[i] - wanted);
  }
  return sum / size;
}

template <class Sampler>
void descend(const char* name, Sampler sampler, double rate) {
  std::vector<double> x(size, 0.0);
  zoft::engine tuner{sampler, zoft::two_point{.epsilon = 1e-3}, zoft::full{}, zoft::sgd{.learning_rate = rate},
                     zoft::seed{11}};
  std::printf("%-10s", name);
  for (int step = 0; step <= 800; ++step) {
    if (step % 200 == 0) std::printf("  %9.6f", f(x));
    tuner.step(std::span(x), f);
  }
  std::printf("\n");
}

int main() {
  std::printf("steps              0        200        400        600        800\n");
  descend("gaussian", zoft::gaussian{}, 0.4);
  descend("waves", waves{}, 0.08);
}
