// A sampler of your own: Laplace noise, which has more small and more large elements than normal noise.
//
// A sampler is a struct with axpy(x, a, d, first): x[i] += a · z(d)[first + i]. The engine makes z again whenever it
// needs it, in pieces of its own choice, so z[i] must follow from d and i alone. This sampler makes element i of four
// normal elements, 4i to 4i + 3. Its mean is 0 and its variance is 1, as with most built-in samplers.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>
#include <zoft/zoft.hpp>

struct laplace {
  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first = 0) const {
    constexpr std::size_t most = 64;
    std::array<T, 4 * most> buffer;
    for (std::size_t done = 0; done < x.size(); done += most) {
      const std::size_t n = std::min(most, x.size() - done);
      const auto normal = std::span(buffer).first(4 * n);
      std::ranges::fill(normal, T{0});
      zoft::gaussian{}.axpy(normal, T{1}, d, 4 * (first + done));
      for (std::size_t i = 0; i < n; ++i) {
        const T* g = &normal[4 * i];
        x[done + i] += a * (std::sqrt(T{0.5}) * (g[0] * g[1] + g[2] * g[3]));
      }
    }
  }
};

double loss(std::span<const float> w) {
  double sum = 0;
  for (const float value : w) sum += 0.5 * (value - 1) * (value - 1);
  return sum;
}

int main() {
  std::vector<float> w(100, 0.0f);
  zoft::engine tuner{laplace{}, zoft::one_sided{.epsilon = 1e-3, .queries = 8}, zoft::full{},
                     zoft::sgd{.learning_rate = 0.05}, zoft::seed{42}};
  const double before = loss(w);
  for (int step = 0; step < 200; ++step) tuner.step(std::span(w), loss);
  std::printf("laplace noise: loss %g -> %g\n", before, loss(w));
  if (loss(w) < 0.01 * before) return 0;
  std::puts("the loss did not fall to a hundredth");
  return 1;
}
