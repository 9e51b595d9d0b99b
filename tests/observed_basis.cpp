// Directions along a basis of what linears were given: AGZO.
#include <set>
#include <stdexcept>
#include <string>
#include <zoft/method/agzo.hpp>

#include "observed_support.hpp"

namespace observed_basis_tests {

using namespace core_test;

namespace {

/// `rows` inputs Σⱼ 3⁻ʲ gⱼ dⱼ of a linear "w" (m, k) along orthonormal d (k, k), with gaussian g.
observations basis_seen(direction step, std::size_t queries, std::size_t rows, std::size_t m, const matrix& d) {
  const auto k = static_cast<std::size_t>(std::sqrt(static_cast<double>(d.size())));
  observations seen;
  seen.ask(step, 1, queries, rows, {"w"});
  auto& e = seen.add("w", k, m, true);
  const matrix g = gaussians({2, 2, 2}, seen.slots() * k);
  for (std::size_t s = 0; s < seen.slots(); ++s)
    for (std::size_t j = 0; j < k; ++j)
      for (std::size_t i = 0; i < k; ++i)
        e.input(s)[i] += static_cast<float>(std::pow(3.0, -static_cast<double>(j)) * g[s * k + j] * d[j * k + i]);
  return seen;
}

matrix basis_directions(std::size_t k) {
  matrix d = gaussians({2, 2, 1}, k * k);
  zoft::random::orthonormalise(d, k);
  return d;
}

}  // namespace

TEST_CASE("observed_rows: with a basis, z = RAᵀ, where A are the principal directions of all rows", "[observed]") {
  constexpr std::size_t m = 5, k = 6, queries = 3;
  const matrix d = basis_directions(k);
  zoft::layout shape;
  shape.add("vector", 3);
  shape.add("w", m, k);
  shape.add("unseen", 2, 2);
  for (const std::size_t r : {1u, 2u}) {
    zoft::observed_rows s{.layout = shape, .rank = 40, .basis = r, .iterations = 12};
    s.observe(basis_seen({6, 4, 0}, queries, 40, m, d));
    matrix lefts;
    for (std::uint32_t q = 0; q < queries; ++q) {
      const auto at = s.at({6, 4, q});
      CHECK(at.rank() == r);
      CHECK(at.left(2).empty());
      const auto left = at.left(1), right = at.right(1);
      REQUIRE(left.size() == m * r);
      REQUIRE(right.size() == r * k);
      CHECK(std::equal(right.begin(), right.end(), s.at({6, 4, 0}).right(1).begin()));
      for (std::size_t j = 0; j < r; ++j)
        for (std::size_t i = 0; i < k; ++i) {
          // 120 rows: the sample's own direction is within about 3/√120 · 1/3 of d.
          double along = 0;
          for (std::size_t x = 0; x < k; ++x) along += double{right[j * k + x]} * d[i * k + x];
          CHECK(std::abs(along) == Approx(i == j ? 1.0 : 0.0).margin(0.15));
        }
      const matrix z = noise<double>(s, {6, 4, q}, shape.size());
      for (std::size_t i = 0; i < shape.size(); ++i) {
        double expected = 0;
        if (i >= 3 && i < 3 + m * k)
          for (std::size_t j = 0; j < r; ++j)
            expected += double{left[(i - 3) / k * r + j]} * double{right[j * k + (i - 3) % k]};
        CHECK(z[i] == Approx(expected).epsilon(1e-12));
      }
      lefts.insert(lefts.end(), left.begin(), left.end());
    }
    // Gaussian, of variance 1, and different for each query.
    const std::size_t n = lefts.size();
    CHECK(inner(lefts, lefts) / static_cast<double>(n) == Approx(1).margin(5 * std::sqrt(2 / static_cast<double>(n))));
    CHECK(std::set<double>(lefts.begin(), lefts.end()).size() == n);
  }
}

TEST_CASE("observed_rows: with a basis, the mean of (zᵀg)z is g on its span", "[observed]") {
  constexpr std::size_t m = 3, k = 4, r = 2, steps = 20000;
  const matrix d = basis_directions(k), g = gaussians({2, 2, 3}, m * k);
  zoft::layout shape;
  shape.add("w", m, k);
  zoft::observed_rows s{.layout = shape, .rank = 12, .basis = r, .iterations = 20};
  matrix mean(m * k), square(m * k), expected(m * k);
  for (std::uint32_t step = 0; step < steps; ++step) {
    s.observe(basis_seen({7, step, 0}, 1, 12, m, d));
    const matrix z = noise<double>(s, {7, step, 0}, m * k);
    const double slope = inner(z, g);
    for (std::size_t i = 0; i < m * k; ++i) {
      mean[i] += slope * z[i] / steps;
      square[i] += slope * z[i] * slope * z[i] / steps;
    }
  }
  const auto a = s.at({7, 0, 0}).right(0);  // the rows are the same in each step, and so is their basis but for signs
  for (std::size_t o = 0; o < m; ++o)
    for (std::size_t j = 0; j < r; ++j) {
      double along = 0;
      for (std::size_t i = 0; i < k; ++i) along += g[o * k + i] * double{a[j * k + i]};
      for (std::size_t i = 0; i < k; ++i) expected[o * k + i] += along * double{a[j * k + i]};
    }
  for (std::size_t i = 0; i < m * k; ++i)
    CHECK(std::abs(mean[i] - expected[i]) < 5 * std::sqrt((square[i] - mean[i] * mean[i]) / steps) + 1e-4);
}

TEST_CASE("agzo: a step by its definition", "[method]") {
  constexpr std::size_t queries = 2;
  const net n{.examples = 1, .tokens = 9};
  const zoft::agzo_options o{.queries = queries,
                             .rank = 2,
                             .iterations = 5,
                             .rows = 4,
                             .epsilon = 1e-3,
                             .learning_rate = 0.1,
                             .decay = 0.3,
                             .seed = 8};
  auto tuner = zoft::agzo(o, zoft::full{.layout = n.shape()});
  matrix x = n.start();
  for (std::uint32_t step = 0; step < 3; ++step) {
    zoft::observed_rows s{.layout = n.shape(), .rank = 4, .basis = 2, .iterations = 5};
    s.observe(n.seen(x, {8, step, 0}, queries, 4));
    matrix expected = x;
    for (double& v : expected) v -= o.learning_rate * o.decay * v;
    for (std::uint32_t q = 0; q < queries; ++q) {
      const matrix z = noise<double>(s, {8, step, q}, x.size());
      matrix there = x;
      for (std::size_t j = 0; j < x.size(); ++j) there[j] += o.epsilon * z[j];
      const double slope =
          (n.loss(std::span<const double>(there), 0) - n.loss(std::span<const double>(x), 0)) / o.epsilon / queries;
      for (std::size_t j = 0; j < x.size(); ++j) expected[j] -= o.learning_rate * slope * z[j];
    }
    CHECK(tuner.step(std::span(x), n.of_batch()).evaluations == queries + 1);
    for (std::size_t j = 0; j < x.size(); ++j) CHECK(x[j] == Approx(expected[j]).epsilon(1e-9));
  }
}

TEST_CASE("observed_rows: a basis that does not fit is named", "[observed]") {
  const net n{.examples = 1, .tokens = 9};
  const auto message = [&](const zoft::agzo_options& o) {
    auto tuner = zoft::agzo(o, zoft::full{.layout = n.shape()});
    matrix x = n.start();
    try {
      tuner.step(std::span(x), n.of_batch());
    } catch (const std::invalid_argument& e) {
      CHECK(bits(x) == bits(n.start()));
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message({.rank = 6}) == "zoft: observed_rows: basis is 6, and 'second' has 5 inputs");
  CHECK(message({.iterations = 0}) == "zoft: observed_rows: iterations is 0, and must be at least 1");
  CHECK(message({.rows = 0}) == "zoft: observed_rows: rank is 0, and must be at least 1");
}

TEST_CASE("observed_rows: with a basis, R has variance 1 however many linears are shown", "[observed]") {
  constexpr std::size_t k = 6, m = 300, rows = 40;
  const observations one = basis_seen({8, 1, 0}, 1, rows, m, basis_directions(k));
  observations seen;
  seen.ask({8, 1, 0}, 1, 1, rows, {"q", "v", "o"});
  seen.add(k, {{"q", 0, m}, {"v", m, m}}).inputs = one.entries()[0].inputs;
  seen.add("o", k, m).inputs = one.entries()[0].inputs;
  zoft::layout shape;
  for (const char* name : {"q", "v", "o"}) shape.add(name, m, k);
  zoft::observed_rows s{.layout = shape, .rank = rows, .basis = 1, .iterations = 9};
  s.observe(std::move(seen));
  const auto z = s.at({8, 1, 0});
  for (const std::size_t index : {0u, 1u, 2u}) {
    double square = 0;
    for (const float v : z.left(index)) square += double{v} * double{v} / m;
    CHECK(square == Approx(1).margin(5 * std::sqrt(2.0 / m)));
  }
  // q and v read the same inputs, and so have one basis.
  CHECK(std::equal(z.right(0).begin(), z.right(0).end(), z.right(1).begin()));
}

}  // namespace observed_basis_tests
