/// Functions to minimise whose values are all that a method sees. Each is a template over numbers, so that it can also
/// be asked for exact slopes with dual numbers, and each has matrices, so that low-rank methods have something to do.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <span>
#include <string>
#include <vector>
#include <zoft/core/layout.hpp>
#include <zoft/sampler/gaussian.hpp>

namespace estimators {

/// Fixed numbers of the problem itself: N(0, 1), the same for all methods and seeds.
inline std::vector<double> drawn(std::size_t n, std::uint64_t what) {
  std::vector<double> x(n, 0.0);
  zoft::gaussian{}.axpy(std::span(x), 1.0, zoft::direction{what, 0, 0});
  return x;
}

inline zoft::layout matrix(std::size_t rows, std::size_t columns) {
  zoft::layout shape;
  shape.add("x", rows, columns);
  return shape;
}

/// Σ xᵢ². The minimum is 0.
struct sphere {
  static constexpr const char* name = "sphere";
  static constexpr double epsilon = 1e-3;
  static constexpr std::size_t forwards = 10000;
  zoft::layout shape() const { return matrix(10, 10); }
  std::vector<double> start() const { return drawn(100, 1); }

  template <class V>
  V operator()(std::span<const V> x) const {
    V sum = 0.0;
    for (const V& v : x) sum = sum + v * v;
    return sum;
  }
};

/// Σ λᵢyᵢ² with y = Qx, λ from 1 to 10⁶ in equal ratios and Q three Householder reflections: no coordinate is an axis.
/// The minimum is 0.
struct ellipsoid {
  static constexpr const char* name = "ellipsoid";
  static constexpr double epsilon = 1e-4;
  static constexpr std::size_t forwards = 10000;
  std::vector<double> mirror[3] = {drawn(100, 11), drawn(100, 12), drawn(100, 13)};
  zoft::layout shape() const { return matrix(10, 10); }
  std::vector<double> start() const { return drawn(100, 1); }

  template <class V>
  V operator()(std::span<const V> x) const {
    std::vector<V> y(x.begin(), x.end());
    for (const auto& v : mirror) {
      V along = 0.0;
      double square = 0;
      for (std::size_t i = 0; i < y.size(); ++i) along = along + v[i] * y[i], square += v[i] * v[i];
      for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] - (2 * v[i] / square) * along;
    }
    V sum = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i)
      sum = sum + std::pow(1e6, static_cast<double>(i) / static_cast<double>(y.size() - 1)) * y[i] * y[i];
    return sum;
  }
};

/// Σ 100(xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)², from the usual start (−1.2, 1, …). The minimum is 0. Rosenbrock 1960.
struct rosenbrock {
  static constexpr const char* name = "rosenbrock";
  static constexpr double epsilon = 1e-4;
  static constexpr std::size_t forwards = 10000;
  zoft::layout shape() const { return matrix(4, 5); }
  std::vector<double> start() const {
    std::vector<double> x(20, 1.0);
    for (std::size_t i = 0; i < x.size(); i += 2) x[i] = -1.2;
    return x;
  }

  template <class V>
  V operator()(std::span<const V> x) const {
    V sum = 0.0;
    for (std::size_t i = 0; i + 1 < x.size(); ++i) {
      const V bend = x[i + 1] - x[i] * x[i], rest = 1.0 - x[i];
      sum = sum + 100.0 * bend * bend + rest * rest;
    }
    return sum;
  }
};

/// Σ xᵢ² + 10(1 − cos 2πxᵢ): a sphere full of hollows, one around each point of whole numbers. The minimum is 0.
struct rastrigin {
  static constexpr const char* name = "rastrigin";
  static constexpr double epsilon = 0.3;  // wide enough to see over the walls, which are 1 apart
  static constexpr std::size_t forwards = 10000;
  zoft::layout shape() const { return matrix(4, 5); }
  std::vector<double> start() const {
    auto x = drawn(20, 1);
    for (double& v : x) v *= 3;
    return x;
  }

  template <class V>
  V operator()(std::span<const V> x) const {
    using std::cos;
    V sum = 0.0;
    for (const V& v : x) sum = sum + v * v + 10.0 * (1.0 - cos(2 * std::numbers::pi * v));
    return sum;
  }
};

/// Σ xᵢ² and noise of standard deviation 0.1, drawn anew at each call.
struct noisy_quadratic : sphere {
  static constexpr const char* name = "noisy quadratic";
  static constexpr double epsilon = 0.1;
  mutable std::uint32_t call = 0;

  template <class V>
  V operator()(std::span<const V> x) const {
    double noise = 0;
    zoft::gaussian{}.axpy(std::span(&noise, 1), 0.1, zoft::direction{21, call++, 0});
    return sphere::operator()(x) + noise;
  }
  double without_noise(std::span<const double> x) const { return sphere::operator()(x); }
};

/// Labels of 200 examples of 4 × 5 features from a hidden linear rule, one in ten wrong: mean logistic loss, and 10⁻³
/// of the squares.
struct logistic_regression {
  static constexpr const char* name = "logistic regression";
  static constexpr double epsilon = 1e-3;
  static constexpr std::size_t forwards = 4000, examples = 200, features = 20;
  std::vector<double> inputs = drawn(examples * features, 31), rule = drawn(features, 32), luck = drawn(examples, 33);
  zoft::layout shape() const { return matrix(4, 5); }
  std::vector<double> start() const { return std::vector<double>(features, 0.0); }

  template <class V>
  V operator()(std::span<const V> x) const {
    using std::exp, std::log;
    V sum = 0.0;
    for (std::size_t e = 0; e < examples; ++e) {
      V score = 0.0;
      double truth = 0;
      for (std::size_t j = 0; j < features; ++j) {
        score = score + inputs[e * features + j] * x[j];
        truth += inputs[e * features + j] * rule[j];
      }
      const double label = (truth > 0) == (luck[e] < 1.2816) ? 1 : -1;  // a gaussian is above that one time in ten
      const V margin = label * score;
      // log(1 + exp(−m)) without overflow on either side
      sum = sum + (margin > 0.0 ? log(1.0 + exp(-margin)) : log(1.0 + exp(margin)) - margin);
    }
    V squares = 0.0;
    for (const V& v : x) squares = squares + v * v;
    return sum / static_cast<double>(examples) + 1e-3 * squares;
  }
};

/// Mean squared error of a network 8 → 16 → 1 with tanh on 64 examples that a network of the same kind made.
struct small_mlp {
  static constexpr const char* name = "small MLP";
  static constexpr double epsilon = 1e-3;
  static constexpr std::size_t forwards = 4000, examples = 64, in = 8, hidden = 16;
  std::vector<double> inputs = drawn(examples * in, 41), teacher = drawn(in * hidden + 2 * hidden, 42);
  zoft::layout shape() const {
    zoft::layout shape;
    shape.add("first.weight", hidden, in);
    shape.add("first.bias", hidden);
    shape.add("second.weight", 1, hidden);
    return shape;
  }
  std::vector<double> start() const {
    auto x = drawn(teacher.size(), 43);
    for (double& v : x) v *= 0.3;
    return x;
  }

  template <class V>
  V operator()(std::span<const V> x) const {
    V sum = 0.0;
    for (std::size_t e = 0; e < examples; ++e) {
      const V error = output(x, e) - output(std::span<const double>(teacher), e);
      sum = sum + error * error;
    }
    return sum / static_cast<double>(examples);
  }

 private:
  template <class V>
  V output(std::span<const V> w, std::size_t example) const {
    using std::tanh;
    V y = 0.0;
    for (std::size_t h = 0; h < hidden; ++h) {
      V a = w[hidden * in + h];
      for (std::size_t j = 0; j < in; ++j) a = a + w[h * in + j] * (0.35 * inputs[example * in + j]);
      y = y + w[hidden * in + hidden + h] * tanh(a);
    }
    return y;
  }
};

}  // namespace estimators
