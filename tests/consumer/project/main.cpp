#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>
#include <string_view>
#include <vector>
#include <zoft/mezo.hpp>
#include <zoft/prge.hpp>
#include <zoft/version.hpp>
#ifdef WITH_NN
#include <zoft/nn/transformer.hpp>
#endif

#ifdef VERSION  // what the package calls itself
static_assert(zoft::version_text == std::string_view(VERSION));
#endif

namespace {

double loss(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += (v - 1.0) * (v - 1.0);
  return sum;
}

}  // namespace

int main() {
  std::vector<float> x(10, 0.0f);
  auto mezo = zoft::mezo({.epsilon = 1e-3, .learning_rate = 1e-2, .seed = 42});
  for (int step = 0; step < 100; ++step) mezo.step(std::span(x), [](std::span<const float> w) { return loss(w); });
  const double half_way = loss(x);

  auto prge = zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-2, .seed = 42});
  for (int step = 0; step < 100; ++step)
    prge.step(std::span(x), [](zoft::candidates<float> c, std::span<double> losses) {
      for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = loss(c[i]);
    });
  std::printf("loss 10 -> %g -> %g\n", half_way, loss(x));
#ifdef WITH_NN
  // The transformer is linked, not only included.
  try {
    (void)zoft::nn::load("no-such-folder", {});
    return 1;
  } catch (const std::invalid_argument& e) {
    std::puts(e.what());
  }
#endif
  return half_way < 10 && loss(x) < half_way ? 0 : 1;
}
