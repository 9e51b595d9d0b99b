// Compiled once for each instruction set, with RUN defined as the name of the function.
#include "run.hpp"

#include <span>
#include <typeinfo>
#include <zoft/prge.hpp>

namespace {

template <class T>
double loss(std::span<const T> x) {
  double sum = 0;
  for (const T v : x) sum += (static_cast<double>(v) - 1) * (static_cast<double>(v) - 1);
  return sum;
}

}  // namespace

run RUN() {
  auto tuner = zoft::prge({.queries = 8, .epsilon = 1e-2, .learning_rate = 1e-2, .seed = 42});
  std::vector<float> x(37, 0.0f);
  run result{typeid(tuner).name(), std::vector<float>(1001, 0.0f), loss(std::span<const float>(x)), 0};
  tuner.sampler().axpy(std::span(result.direction), 1.0f, tuner.direction(3, 2));
  for (int step = 0; step < 50; ++step)
    tuner.step(std::span(x), [](zoft::candidates<float> c, std::span<double> losses) {
      for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = loss(std::span<const float>(c[i]));
    });
  result.after = loss(std::span<const float>(x));
  return result;
}
