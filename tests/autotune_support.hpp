// What the tests of autotune share.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>
#include <zoft/sampler/gaussian.hpp>

#include "core_support.hpp"

namespace autotune_test {

using core_test::noise;

template <class T>
std::vector<T> start(std::size_t n) {
  std::vector<T> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(T(static_cast<float>(std::cos(static_cast<double>(i + 1)))));
  return x;
}

/// Σ aᵢ(1 − cos(xᵢ + ½)) with a from 1 to 2: neither its second nor its third derivatives vanish.
template <class T>
struct waves {
  double scale = 1;
  static double weight(std::size_t i) { return 1 + 0.05 * static_cast<double>(i % 20); }

  // Compiled once: where it is inlined in two places, a product and a sum may be fused in one of them only.
  [[gnu::noinline]] double operator()(std::span<const T> x) const {
    using A = zoft::arithmetic_t<T>;
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      sum += weight(i) * (1 - std::cos(static_cast<double>(static_cast<A>(x[i])) + 0.5));
    return scale * sum;
  }
};

/// f with errors of standard deviation sigma, new at each call.
template <class F>
auto with_noise(F f, double sigma, std::uint64_t seed = 99) {
  return [f, sigma, seed, call = std::uint32_t{0}](const auto& x) mutable {
    return f(x) + sigma * noise<double>(zoft::gaussian{}, {seed, call++, 0}, 1)[0];
  };
}

inline void check_factor(double found, double truth, double factor) {
  CAPTURE(found, truth);
  CHECK(found < factor * truth);
  CHECK(found > truth / factor);
}

}  // namespace autotune_test
