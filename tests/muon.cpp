// The matrix sign against singular values, and ZO-Muon's step against that of the dense estimate.
#include <algorithm>
#include <zoft/engine/update/newton_schulz.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/method/zo_muon.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/subspace.hpp>

#include "core_support.hpp"

namespace muon_tests {

using namespace core_test;
using zoft::direction;

namespace {

using matrix = std::vector<double>;

matrix gaussians(std::uint32_t name, std::size_t n) {
  matrix z(n, 0.0);
  zoft::gaussian{}.axpy(std::span(z), 1.0, {3, name, 0});
  return z;
}

// f of the singular values: U f(Σ) Vᵀ, by one-sided Jacobi rotations of the columns (Hestenes 1958). rows ≥ columns.
template <class F>
matrix of_singular_values(matrix x, std::size_t columns, F f) {
  const std::size_t rows = x.size() / columns;
  matrix v(columns * columns, 0.0);
  for (std::size_t i = 0; i < columns; ++i) v[i * columns + i] = 1;
  const auto turn = [](matrix& a, std::size_t n, std::size_t p, std::size_t q, double c, double s) {
    for (std::size_t i = 0; i < a.size() / n; ++i) {
      const double left = a[i * n + p], right = a[i * n + q];
      a[i * n + p] = c * left - s * right;
      a[i * n + q] = s * left + c * right;
    }
  };
  for (int sweep = 0; sweep < 30; ++sweep)
    for (std::size_t p = 0; p < columns; ++p)
      for (std::size_t q = p + 1; q < columns; ++q) {
        double pp = 0, qq = 0, pq = 0;
        for (std::size_t i = 0; i < rows; ++i) {
          pp += x[i * columns + p] * x[i * columns + p];
          qq += x[i * columns + q] * x[i * columns + q];
          pq += x[i * columns + p] * x[i * columns + q];
        }
        if (std::abs(pq) < 1e-300) continue;
        const double zeta = (qq - pp) / (2 * pq);
        const double t = (zeta < 0 ? -1 : 1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double c = 1 / std::sqrt(1 + t * t);
        turn(x, columns, p, q, c, c * t);
        turn(v, columns, p, q, c, c * t);
      }
  matrix result(x.size(), 0.0);
  for (std::size_t j = 0; j < columns; ++j) {
    double square = 0;
    for (std::size_t i = 0; i < rows; ++i) square += x[i * columns + j] * x[i * columns + j];
    const double sigma = std::sqrt(square);
    if (sigma < 1e-12) continue;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t l = 0; l < columns; ++l)
        result[i * columns + l] += x[i * columns + j] / sigma * f(sigma) * v[l * columns + j];
  }
  return result;
}

matrix transposed(const matrix& x, std::size_t columns) {
  matrix to;
  for (std::size_t j = 0; j < columns; ++j)
    for (std::size_t i = 0; i < x.size() / columns; ++i) to.push_back(x[i * columns + j]);
  return to;
}

// By the singular values, with the iteration done on each: the reference.
template <class F>
matrix reference(const matrix& x, std::size_t rows, std::size_t columns, F f) {
  if (columns <= rows) return of_singular_values(x, columns, f);
  return transposed(of_singular_values(transposed(x, columns), rows, f), rows);
}

double norm(const matrix& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

matrix msign(const matrix& x, std::size_t rows, std::size_t columns, std::size_t iterations = 5) {
  const double length = norm(x);
  return reference(x, rows, columns, [&](double sigma) {
    double s = sigma / length;
    for (std::size_t i = 0; i < iterations; ++i) s = s * (3.4445 + s * s * (-4.775 + 2.0315 * s * s));
    return s;
  });
}

double distance(const matrix& a, const matrix& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

}  // namespace

TEMPLATE_TEST_CASE("newton_schulz: the iteration on each singular value", "[muon]", float, double) {
  using A = TestType;
  const double bound = std::is_same_v<A, double> ? 1e-9 : 2e-5;
  using sizes = std::pair<std::size_t, std::size_t>;
  for (const auto& [rows, columns] : {sizes{1, 1}, {7, 1}, {1, 7}, {5, 5}, {40, 6}, {6, 40}, {33, 32}})
    for (const std::size_t iterations : {1u, 5u, 8u}) {
      CAPTURE(rows, columns, iterations);
      const matrix start = gaussians(1, rows * columns);
      std::vector<A> x(start.begin(), start.end());
      zoft::newton_schulz(std::span(x), rows, columns, iterations);
      CHECK(distance(matrix(x.begin(), x.end()), msign(start, rows, columns, iterations)) < bound);
      // The length of X does not matter.
      std::vector<A> longer;
      for (const double v : start) longer.push_back(static_cast<A>(1e6 * v));
      zoft::newton_schulz(std::span(longer), rows, columns, iterations);
      CHECK(distance(matrix(longer.begin(), longer.end()), matrix(x.begin(), x.end())) < bound);
    }
  std::vector<A> zero(12, A(0));
  zoft::newton_schulz(std::span(zero), 4, 3, 5);
  CHECK(zero == std::vector<A>(12, A(0)));
}

TEST_CASE("newton_schulz: near the polar factor, for singular values that are not tiny", "[muon]") {
  for (const auto& [rows, columns] : {std::pair<std::size_t, std::size_t>{40, 6}, {6, 40}, {20, 20}}) {
    matrix x = gaussians(2, rows * columns);
    const matrix polar = reference(x, rows, columns, [](double) { return 1.0; });
    zoft::newton_schulz(std::span(x), rows, columns, 5);
    matrix difference = x;
    for (std::size_t i = 0; i < x.size(); ++i) difference[i] -= polar[i];
    // Each singular value is within 0.68 … 1.21, so the difference' largest is below 0.32.
    double largest = 0;
    reference(difference, rows, columns, [&](double sigma) {
      largest = std::max(largest, sigma);
      return sigma;
    });
    CHECK(largest < 0.33);
    CHECK(largest > 0.01);
  }
  for (double s = 0.002; s <= 1; s *= 1.001) {
    double value = s;
    for (int i = 0; i < 5; ++i) value = value * (3.4445 + value * value * (-4.775 + 2.0315 * value * value));
    CHECK((value > 0.68 && value < 1.21));
  }
}

namespace {

zoft::layout shape() {
  zoft::layout result;
  result.add("gain", 5);
  result.add("a", 9, 12);
  result.add("b", 30, 8);
  return result;
}

double loss(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (1 + std::cos(static_cast<double>(i))) * x[i] * x[i] + x[i];
  return sum;
}

// A step on the dense estimate, its matrices' signs taken as a whole.
template <class Sampler>
void check_steps(const Sampler& sampler, double beta) {
  const zoft::layout s = shape();
  constexpr std::size_t q = 5;
  constexpr double rate = 0.01, decay = 0.3, epsilon = 1e-3;
  zoft::engine tuner{sampler, zoft::two_point{.epsilon = epsilon, .queries = q}, zoft::full{.layout = s},
                     zoft::factored{zoft::muon{.learning_rate = rate, .beta = beta, .decay = decay}}, zoft::seed{42}};
  matrix x(s.size(), 1.0), velocity(s.size(), 0.0);
  for (std::uint32_t step = 0; step < 4; ++step) {
    const matrix before = x;
    const auto report = tuner.step(std::span(x), loss);
    for (double& v : velocity) v *= beta;
    for (std::uint32_t i = 0; i < q; ++i)
      sampler.axpy(std::span(velocity), report.projected_gradients[i] / q, tuner.direction(step, i));
    for (const zoft::tensor& t : s) {
      const auto part = [&](const matrix& of) {
        const auto at = of.begin() + static_cast<std::ptrdiff_t>(t.offset);
        return matrix(at, at + static_cast<std::ptrdiff_t>(t.size()));
      };
      const matrix g = t.is_matrix() ? msign(part(velocity), t.rows, t.columns) : part(velocity);
      const matrix old = part(before), now = part(x);
      for (std::size_t i = 0; i < t.size(); ++i)
        REQUIRE(now[i] == Approx(old[i] - rate * (g[i] + decay * old[i])).margin(1e-7));
    }
  }
}

}  // namespace

TEST_CASE("muon on a core: the step is that of the dense estimate's sign", "[muon]") {
  const zoft::layout s = shape();
  for (const double beta : {0.0, 0.8})
    for (const std::size_t rank : {1u, 3u, 8u}) {
      CAPTURE(beta, rank);
      check_steps(zoft::low_rank_orthonormal{s, rank, 50}, beta);
      check_steps(zoft::low_rank_orthonormal{s, rank, 50, zoft::low_rank_scaling::unbiased}, beta);
      check_steps(zoft::subspace{s, rank, 50}, beta);
    }
}

TEST_CASE("zo_muon: is that composition, and descends", "[muon]") {
  const zoft::layout s = shape();
  auto named = zoft::zo_muon({.rank = 4, .interval = 3, .learning_rate = 0.1, .beta = 0.5, .seed = 7}, s);
  zoft::engine composed{zoft::low_rank_orthonormal{s, 4, 3, zoft::low_rank_scaling::unbiased},
                        zoft::one_sided{.epsilon = 1e-3, .queries = 4}, zoft::full{.layout = s},
                        zoft::factored{zoft::muon{.learning_rate = 0.1, .beta = 0.5}}, zoft::seed{7}};
  matrix x(s.size(), 1.0), y = x;
  for (int step = 0; step < 1000; ++step) {
    CHECK(named.step(std::span(x), loss).evaluations == 5);
    composed.step(std::span(y), loss);
  }
  CHECK(x == y);
  CHECK(loss(x) < 0.5 * loss(matrix(s.size(), 1.0)));
}

TEST_CASE("muon: options out of range name the value", "[muon]") {
  CHECK(message([] { zoft::muon{.learning_rate = -1}.check(); }) ==
        "zoft: muon: learning_rate is -1, and must be at least 0");
  CHECK(message([] { zoft::muon{.beta = 1}.check(); }) == "zoft: muon: beta is 1, and must be at least 0 and below 1");
  CHECK(message([] { zoft::muon{.iterations = 0}.check(); }) == "zoft: muon: iterations is 0, and must be at least 1");
}

}  // namespace muon_tests
