// What the tests of optimizers share: losses that are told, and the dense loop in double that an optimizer abbreviates.
#pragma once

#include <functional>
#include <limits>
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/sampler/gaussian.hpp>

#include "core_support.hpp"

namespace optimizer_test {

using namespace core_test;

inline constexpr zoft::two_point probes{.epsilon = 1e-2, .queries = 3};
inline constexpr std::uint64_t run = 42;

/// Tensors that are longer and shorter than the engine's pieces of 2048, matrices and vectors in turn.
inline zoft::layout shape() {
  zoft::layout result;
  result.add("embed_tokens", 50, 61);
  result.add("layers.0.bias", 2100);
  result.add("layers.0.weight", 3, 5);
  result.add("layers.1.weight", 20, 30);
  result.add("layers.1.bias", 1);
  result.add("norm", 7);
  return result;
}

template <class T>
std::vector<T> start(std::size_t n) {
  std::vector<T> x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(T(static_cast<float>(std::sin(static_cast<double>(i)))));
  return x;
}

/// The losses of a step. Every ninth has one that is not finite, and is to be rejected.
inline std::vector<double> losses(std::uint32_t step) {
  std::vector<double> result;
  for (std::size_t i = 0; i < probes.evaluations(); ++i)
    result.push_back(2 + 0.01 * std::sin(17.0 * step + 5.0 * static_cast<double>(i)));
  if (step % 9 == 4) result[step % result.size()] = std::numeric_limits<double>::quiet_NaN();
  return result;
}
inline bool is_rejected(std::uint32_t step) { return step % 9 == 4; }

/// The slopes' q-th parts.
inline std::vector<double> coefficients(std::uint32_t step) {
  std::vector<double> c(probes.queries);
  const std::vector<double> told = losses(step);
  zoft::estimation::coefficients(probes, {.losses = told}, c);
  return c;
}

/// Σ cᵢzᵢ
inline std::vector<double> estimate(std::uint32_t step, const std::vector<double>& c, std::size_t n) {
  std::vector<double> g(n, 0.0);
  for (std::uint32_t i = 0; i < c.size(); ++i) {
    const auto z = noise<double>(zoft::gaussian{}, {run, step, i}, n);
    for (std::size_t j = 0; j < n; ++j) g[j] += c[i] * z[j];
  }
  return g;
}

/// For each step that is not rejected, rule(x, ĝ, step).
template <class F>
std::vector<double> dense(std::vector<double> x, std::uint32_t steps, F rule) {
  for (std::uint32_t step = 0; step < steps; ++step)
    if (!is_rejected(step)) rule(x, estimate(step, coefficients(step), x.size()), step);
  return x;
}

/// The engine on x, told the same losses.
template <class T, class Optimizer, class Adapter>
std::vector<T> trained(const Optimizer& optimizer, const Adapter& adapter, std::vector<T> x, std::uint32_t steps) {
  zoft::engine tuner{zoft::gaussian{}, probes, adapter, optimizer, zoft::seed{run}};
  for (std::uint32_t step = 0; step < steps; ++step) {
    const auto report = tuner.tell(std::span(x), losses(step));
    if ((report.status == zoft::status::ok) == is_rejected(step)) FAIL("step " << step << " has the other status");
  }
  return x;
}

/// By how much two runs differ at most.
template <class T>
double difference(const std::vector<T>& x, const std::vector<double>& y) {
  REQUIRE(x.size() == y.size());
  double most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double by = std::abs(static_cast<double>(static_cast<zoft::arithmetic_t<T>>(x[i])) - y[i]);
    most = by <= most ? most : by;  // a NaN is the most
  }
  return most;
}

/// What 100 steps may differ by: roundings, a hundred of numbers of about 1.
template <class T>
double bound() {
  return std::is_same_v<T, double> ? 1e-12 : 3e-5;
}

/// Runs both for 100 steps in float and in double, and checks that they are the same, and not where they started.
template <class Optimizer, class Adapter, class F>
void check_same(const Optimizer& optimizer, const Adapter& adapter, F rule, std::uint32_t steps = 100) {
  const std::size_t n = shape().size();
  const auto expected = dense(start<double>(n), steps, rule);
  CHECK(difference(start<double>(n), expected) > 1e-3);
  CHECK(difference(trained(optimizer, adapter, start<double>(n), steps), expected) < bound<double>());
  CHECK(difference(trained(optimizer, adapter, start<float>(n), steps), expected) < bound<float>());
}

/// λ by element.
inline std::vector<double> decay_of(const zoft::layout& tensors, double lambda, bool (*decays)(const zoft::tensor&)) {
  std::vector<double> result;
  for (const auto& t : tensors) result.insert(result.end(), t.size(), decays(t) ? lambda : 0.0);
  return result;
}

}  // namespace optimizer_test
