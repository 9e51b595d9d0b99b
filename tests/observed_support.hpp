// What the tests of observing samplers share: a small model that shows its linears.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>
#include <zoft/core/candidates.hpp>
#include <zoft/core/examples.hpp>
#include <zoft/random/normal.hpp>
#include <zoft/sampler/observed_rows.hpp>

#include "core_support.hpp"

namespace core_test {

using zoft::direction;
using zoft::observations;
using zoft::random::stream;

using matrix = std::vector<double>;  // row-major

/// n numbers of variance 1 that only the name tells apart.
inline matrix gaussians(direction name, std::size_t n, stream of = stream::data, std::uint64_t first = 0) {
  matrix z(n, 0.0);
  zoft::random::drawn<zoft::random::normal>(name, of).axpy(std::span(z), 1.0, first);
  return z;
}

inline std::vector<float> floats(std::span<const double> x) { return {x.begin(), x.end()}; }
inline double inner(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
inline double cosine(std::span<const double> a, std::span<const double> b) {
  return inner(a, b) / std::sqrt(inner(a, a) * inner(b, b));
}

/// y = W₂ tanh(W₁x) on some tokens of each of some examples. The loss of one is Σ |y − target|²/2 over its tokens.
struct net {
  std::size_t examples, tokens, in = 7, hidden = 5, out = 4;
  matrix x = gaussians({1, 1, 1}, examples*tokens*in), target = gaussians({1, 1, 2}, examples*tokens*out);
  double told = 1;  ///< gradients are shown times this

  /// The linears, and a vector and a matrix that no functor shows.
  zoft::layout shape() const {
    zoft::layout result;
    result.add("first.weight", hidden, in);
    result.add("gain", 3);
    result.add("second.weight", out, hidden);
    result.add("hidden", 3, 6);
    return result;
  }
  std::size_t second() const { return hidden * in + 3; }
  matrix start() const {
    matrix w = gaussians({1, 1, 3}, shape().size());
    for (double& v : w) v *= 0.4;
    return w;
  }

  /// The loss of example b. Adds to its gradient g, and shows the first tokens, where asked to.
  template <class T>
  double loss(std::span<const T> w, std::size_t b, double* g = nullptr, observations* seen = nullptr) const {
    double sum = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      const double* const row = x.data() + (b * tokens + t) * in;
      matrix h(hidden), y(out), of_y(out), of_h(hidden), before(hidden);
      for (std::size_t i = 0; i < hidden; ++i) {
        for (std::size_t j = 0; j < in; ++j) before[i] += value(w[i * in + j]) * row[j];
        h[i] = std::tanh(before[i]);
      }
      for (std::size_t o = 0; o < out; ++o) {
        for (std::size_t i = 0; i < hidden; ++i) y[o] += value(w[second() + o * hidden + i]) * h[i];
        of_y[o] = y[o] - target[(b * tokens + t) * out + o];
        sum += of_y[o] * of_y[o] / 2;
        for (std::size_t i = 0; i < hidden; ++i)
          of_h[i] += of_y[o] * value(w[second() + o * hidden + i]) * (1 - h[i] * h[i]);
      }
      for (std::size_t i = 0; g != nullptr && i < hidden; ++i) {
        for (std::size_t j = 0; j < in; ++j) g[i * in + j] += of_h[i] * row[j];
        for (std::size_t o = 0; o < out; ++o) g[second() + o * hidden + i] += of_y[o] * h[i];
      }
      if (seen == nullptr || t >= seen->rows()) continue;
      const auto put = [](std::span<float> to, const double* from, double scale = 1) {
        for (float& v : to) v = static_cast<float>(scale * *from++);
      };
      observations::entry &one = seen->entries().end()[-2], &two = seen->entries().back();
      const std::size_t slot = seen->slot(b, t);
      put(one.input(slot), row), put(one.gradient(slot), of_h.data(), told);
      put(two.input(slot), h.data()), put(two.gradient(slot), of_y.data(), told);
      one.note_outputs(slot, floats(before));
      two.note_outputs(slot, floats(y));
    }
    return sum;
  }

  /// As the engine's functor.
  template <class T>
  void operator()(const zoft::candidates<T>& c, zoft::example_losses losses, observations& seen) const {
    write(c, losses.values(), seen);
  }
  /// The same where the batch is one example, whose loss is the batch's.
  auto of_batch() const {
    return [this](const auto& c, std::span<double> losses, observations& seen) { write(c, losses, seen); };
  }
  template <class T>
  void write(const zoft::candidates<T>& c, std::span<double> losses, observations& seen) const {
    if (seen.asked()) {
      seen.add("first", in, hidden, true);
      seen.add("second", hidden, out, true);
    }
    for (std::size_t i = 0; i < c.size(); ++i)
      losses[i] = loss(std::span<const T>(c[i]), i % examples, nullptr, seen.asked() ? &seen : nullptr);
  }

  matrix gradient(const matrix& w) const {
    matrix g(w.size());
    for (std::size_t b = 0; b < examples; ++b) loss(std::span<const double>(w), b, g.data());
    for (double& v : g) v /= static_cast<double>(examples);
    return g;
  }
  observations seen(const matrix& w, direction step, std::size_t queries, std::size_t rank) const {
    observations result;
    result.ask(step, examples, queries, rank, {"first.weight", "second.weight"});
    std::vector<double> losses(examples);
    matrix all;
    for (std::size_t b = 0; b < examples; ++b) all.insert(all.end(), w.begin(), w.end());
    write(zoft::candidates<double>(all.data(), examples, w.size()), losses, result);
    return result;
  }
};

inline zoft::observed_rows sampler_of(const zoft::layout& shape, const observations& seen, bool guided = true) {
  zoft::observed_rows result{.layout = shape, .rank = seen.rows_of_query(), .guided = guided};
  result.observe(seen);
  return result;
}

}  // namespace core_test
