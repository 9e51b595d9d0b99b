// Directions of low rank: what they are made of, their rank, their moments, and what they must not have in common.
#include <algorithm>
#include <zoft/adapter/full.hpp>
#include <zoft/concepts.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/random/orthonormal.hpp>

#include "noise_hash.hpp"
#include "statistics_support.hpp"

namespace low_rank_samplers_tests {

using namespace core_test;
using statistics::check_mean_is_zero;
using zoft::direction;
using zoft::random::stream;

static_assert(zoft::sampler<zoft::low_rank_gaussian, float> && zoft::sampler<zoft::low_rank_product, double>);
static_assert(zoft::sampler<zoft::flipout, float> && zoft::sampler<zoft::flipout, double>);
static_assert(zoft::factored_sampler<zoft::low_rank_gaussian> && zoft::factored_sampler<zoft::low_rank_orthonormal>);
static_assert(zoft::factored_sampler<zoft::subspace> && zoft::factored_sampler<zoft::diagonal_subspace>);
static_assert(!zoft::factored_sampler<zoft::low_rank_product> && !zoft::factored_sampler<zoft::flipout>);

namespace {

using matrix = std::vector<double>;  // row-major

// Two matrices of one shape, and vectors around them.
zoft::layout shape() {
  zoft::layout result;
  result.add("gain", 9);
  result.add("a", 13, 11);
  result.add("b", 13, 11);
  result.add("bias", 13);
  result.add("wide", 6, 40);
  return result;
}

constexpr direction d{77, 12, 3};

template <class F>
void for_each_sampler(std::size_t rank, std::uint32_t interval, F f) {
  const zoft::layout s = shape();
  f("low_rank_gaussian", zoft::low_rank_gaussian{s, rank, interval, zoft::low_rank_scaling::unbiased}, rank);
  f("low_rank_orthonormal", zoft::low_rank_orthonormal{s, rank, interval, zoft::low_rank_scaling::unbiased}, rank);
  f("low_rank_product", zoft::low_rank_product{s, rank}, rank);
  f("subspace", zoft::subspace{s, rank, interval}, rank);
  f("diagonal_subspace", zoft::diagonal_subspace{s, rank}, rank);
  f("flipout", zoft::flipout{s}, std::size_t{6});
}

// n gaussians of a stream, from word `first` on.
matrix drawn(direction of, stream s, std::size_t n, std::uint64_t first = 0) {
  matrix z(n, 0.0);
  zoft::random::drawn<zoft::random::normal>(of, s).axpy(std::span(z), 1.0, first);
  return z;
}

template <class A>
matrix tensor_of(const std::vector<A>& z, const zoft::tensor& t) {
  return {z.begin() + static_cast<std::ptrdiff_t>(t.offset),
          z.begin() + static_cast<std::ptrdiff_t>(t.offset + t.size())};
}

// How many of the rows (each of n numbers) are no sums of others.
std::size_t rank_of(matrix rows, std::size_t n) {
  std::size_t rank = 0;
  const std::size_t count = rows.size() / n;
  std::vector<bool> used(count, false);
  for (std::size_t column = 0; column < n; ++column) {
    std::size_t pivot = count;
    for (std::size_t i = 0; i < count; ++i)
      if (!used[i] && (pivot == count || std::abs(rows[i * n + column]) > std::abs(rows[pivot * n + column])))
        pivot = i;
    if (pivot == count || std::abs(rows[pivot * n + column]) < 1e-9) continue;
    used[pivot] = true;
    ++rank;
    for (std::size_t i = 0; i < count; ++i) {
      if (used[i]) continue;
      const double ratio = rows[i * n + column] / rows[pivot * n + column];
      for (std::size_t j = 0; j < n; ++j) rows[i * n + j] -= ratio * rows[pivot * n + j];
    }
  }
  return rank;
}

double inner(const matrix& a, const matrix& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Whether the mean of a sample is within five standard deviations of what it should be.
bool has_mean(const std::vector<double>& sample, double expected) {
  double mean = 0, squares = 0;
  const double count = static_cast<double>(sample.size());
  for (const double v : sample) mean += v / count;
  for (const double v : sample) squares += (v - mean) * (v - mean) / count;
  return std::abs(mean - expected) <= 5 * std::sqrt(squares / count);
}

}  // namespace

TEST_CASE("orthonormalise: rows become orthonormal and span what they spanned", "[noise]") {
  const auto defect = [](const matrix& q, std::size_t rows) {
    const std::size_t n = q.size() / rows;
    double worst = 0;
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < rows; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < n; ++k) sum += q[i * n + k] * q[j * n + k];
        worst = std::max(worst, std::abs(sum - (i == j ? 1 : 0)));
      }
    return worst;
  };
  for (const auto& [rows, n] :
       {std::pair<std::size_t, std::size_t>{1, 1}, {1, 7}, {5, 5}, {7, 300}, {64, 64}, {3, 1001}}) {
    CAPTURE(rows, n);
    const matrix start = drawn({1, 2, 3}, stream::left_factor, rows * n);
    matrix q = start;
    zoft::random::orthonormalise(q, rows);
    CHECK(defect(q, rows) < 1e-13);
    // Each row of the start is a sum of q's rows up to it, with a positive share of its own: q is the Q of a QR.
    for (std::size_t i = 0; i < rows; ++i) {
      matrix rest(start.begin() + static_cast<std::ptrdiff_t>(i * n),
                  start.begin() + static_cast<std::ptrdiff_t>((i + 1) * n));
      double own = 0;
      for (std::size_t j = 0; j <= i; ++j) {
        own = 0;
        for (std::size_t k = 0; k < n; ++k) own += q[j * n + k] * start[i * n + k];
        for (std::size_t k = 0; k < n; ++k) rest[k] -= own * q[j * n + k];
      }
      CHECK(own > 0);
      CHECK(inner(rest, rest) < 1e-24 * static_cast<double>(n));
    }
  }
  // Rows that depend on each other, nearly or wholly, still give as many directions.
  matrix nearly = drawn({1, 2, 3}, stream::left_factor, 40);
  for (std::size_t k = 0; k < 10; ++k) {
    nearly[10 + k] = nearly[k] + 1e-9 * nearly[10 + k];
    nearly[20 + k] = 3 * nearly[k];
    nearly[30 + k] = 0;
  }
  zoft::random::orthonormalise(nearly, 4);
  CHECK(defect(nearly, 4) < 1e-13);
}

TEMPLATE_TEST_CASE("low-rank samplers: z is what the formula makes of its streams", "[noise]", float, double) {
  using A = TestType;
  const double bound = std::is_same_v<A, double> ? 1e-13 : 2e-6;
  const zoft::layout s = shape();
  constexpr std::size_t r = 3;
  constexpr direction of_interval{d.seed, 10, 0}, of_run{d.seed, 0, 0};
  constexpr std::uint64_t behind = std::uint64_t{1} << 48;

  // (m, r) · (r, k)
  const auto product = [](const matrix& u, const matrix& v, std::size_t k, double scale) {
    matrix z;
    for (std::size_t i = 0; i < u.size() / r; ++i)
      for (std::size_t j = 0; j < k; ++j) {
        double sum = 0;
        for (std::size_t l = 0; l < r; ++l) sum += u[i * r + l] * v[l * k + j];
        z.push_back(scale * sum);
      }
    return z;
  };
  const auto compare = [&](const auto& sampler, auto expected) {
    const auto z = noise<A>(sampler, d, s.size());
    std::size_t left = 0, right = 0, matrices = 0;
    for (const zoft::tensor& t : s) {
      CAPTURE(t.name);
      const matrix got = tensor_of(z, t);
      const matrix wanted =
          t.is_matrix() ? expected(t, left, right, matrices) : tensor_of(noise<A>(zoft::gaussian{}, d, s.size()), t);
      double error = 0;
      for (std::size_t i = 0; i < got.size(); ++i) error = std::max(error, std::abs(got[i] - wanted[i]));
      CHECK(error <= (t.is_matrix() ? bound * std::sqrt(inner(wanted, wanted)) : 0.0));
      if (!t.is_matrix()) continue;
      left += t.rows * r;
      right += t.columns * r;
      ++matrices;
    }
  };

  for (const auto scaling : {zoft::low_rank_scaling::one_over_rank, zoft::low_rank_scaling::unbiased}) {
    const double scale = scaling == zoft::low_rank_scaling::unbiased ? 1 / std::sqrt(3.0) : 1 / 3.0;
    compare(zoft::low_rank_gaussian{s, r, 5, scaling},
            [&](const auto& t, std::size_t left, std::size_t right, std::size_t) {
              return product(drawn(d, stream::left_factor, t.rows * r, left),
                             drawn(of_interval, stream::right_factor, t.columns * r, right), t.columns, scale);
            });
    compare(zoft::low_rank_orthonormal{s, r, 5, scaling},
            [&](const auto& t, std::size_t left, std::size_t right, std::size_t) {
              matrix v = drawn(of_interval, stream::right_factor, t.columns * r, right);
              zoft::random::orthonormalise(v, r);
              for (double& f : v) f = static_cast<double>(static_cast<float>(f));
              return product(drawn(d, stream::left_factor, t.rows * r, left), v, t.columns,
                             scale * std::sqrt(static_cast<double>(t.columns)));
            });
  }
  compare(zoft::low_rank_product{s, r}, [&](const auto& t, std::size_t left, std::size_t right, std::size_t) {
    return product(drawn(d, stream::left_factor, t.rows * r, left),
                   drawn(d, stream::right_factor, t.columns * r, right), t.columns, 1 / std::sqrt(3.0));
  });
  compare(zoft::subspace{s, r, 5}, [&](const auto& t, std::size_t left, std::size_t right, std::size_t matrices) {
    matrix u = drawn(of_interval, stream::left_factor, t.rows * r, left);
    matrix v = drawn(of_interval, stream::right_factor, t.columns * r, right);
    zoft::random::orthonormalise(u, r);
    zoft::random::orthonormalise(v, r);
    matrix columns;  // (m, r)
    for (std::size_t i = 0; i < t.rows; ++i)
      for (std::size_t l = 0; l < r; ++l) columns.push_back(static_cast<double>(static_cast<float>(u[l * t.rows + i])));
    for (double& f : v) f = static_cast<double>(static_cast<float>(f));
    const matrix z = drawn(d, stream::perturbation, r * r, behind + matrices * r * r);
    return product(product(columns, z, r, 1), v, t.columns, std::sqrt(static_cast<double>(t.size())) / 3);
  });
  compare(zoft::diagonal_subspace{s, r}, [&](const auto& t, std::size_t left, std::size_t right, std::size_t matrices) {
    matrix u = drawn(of_run, stream::left_factor, t.rows * r, left);
    const matrix tau = drawn(d, stream::perturbation, r, behind + matrices * r);
    for (std::size_t i = 0; i < u.size(); ++i) u[i] *= tau[i % r];
    return product(u, drawn(of_run, stream::right_factor, t.columns * r, right), t.columns, 1);
  });
}

TEST_CASE("low-rank samplers: each matrix has the rank that was asked", "[noise]") {
  for (const std::size_t rank : {1u, 2u, 5u})
    for_each_sampler(rank, 5, [&](const char* name, const auto& sampler, std::size_t expected) {
      CAPTURE(name, rank);
      const zoft::layout s = shape();
      const auto z = noise<double>(sampler, d, s.size());
      for (const zoft::tensor& t : s)
        if (t.is_matrix())
          CHECK(rank_of(tensor_of(z, t), t.columns) ==
                (std::string(name) == "flipout" ? std::min(t.rows, t.columns) : expected));
    });
}

TEST_CASE("low-rank samplers: what directions of an interval share, and what is renewed with it", "[noise]") {
  const zoft::layout s = shape();
  constexpr std::size_t r = 2;
  // The rank of two directions' rows together, and of their columns.
  const auto together = [&](const auto& sampler, direction one, direction other) {
    const zoft::tensor& t = s.tensors()[1];
    const matrix a = tensor_of(noise<double>(sampler, one, s.size()), t);
    const matrix b = tensor_of(noise<double>(sampler, other, s.size()), t);
    matrix rows = a, columns;
    rows.insert(rows.end(), b.begin(), b.end());
    for (const matrix* z : {&a, &b})
      for (std::size_t j = 0; j < t.columns; ++j)
        for (std::size_t i = 0; i < t.rows; ++i) columns.push_back((*z)[i * t.columns + j]);
    return std::pair{rank_of(rows, t.columns), rank_of(columns, t.rows)};
  };
  using pair = std::pair<std::size_t, std::size_t>;
  constexpr direction first{1, 10, 0}, query{1, 10, 1}, last{1, 14, 0}, next{1, 15, 0}, other_run{2, 10, 0};
  const auto v_is_shared = [&](const auto& sampler) {
    CHECK(together(sampler, first, query) == pair{r, 2 * r});
    CHECK(together(sampler, first, last) == pair{r, 2 * r});
    CHECK(together(sampler, query, last) == pair{r, 2 * r});
    CHECK(together(sampler, last, next) == pair{2 * r, 2 * r});
    CHECK(together(sampler, first, other_run) == pair{2 * r, 2 * r});
    for (std::uint32_t step = 1; step < 40; ++step) CHECK(sampler.renewed(step) == (step % 5 == 0));
  };
  v_is_shared(zoft::low_rank_gaussian{s, r, 5});
  v_is_shared(zoft::low_rank_orthonormal{s, r, 5});

  const zoft::subspace both{s, r, 5};
  CHECK(together(both, first, query) == pair{r, r});
  CHECK(together(both, query, last) == pair{r, r});
  CHECK(together(both, last, next) == pair{2 * r, 2 * r});
  CHECK(both.renewed(15));
  CHECK(!both.renewed(14));

  const zoft::diagonal_subspace fixed{s, r};
  CHECK(together(fixed, first, next) == pair{r, r});
  CHECK(together(fixed, first, query) == pair{r, r});
  CHECK(together(fixed, first, other_run) == pair{2 * r, 2 * r});
  for (std::uint32_t step = 0; step < 20; ++step) CHECK(!fixed.renewed(step));

  const zoft::low_rank_product none{s, r};
  CHECK(together(none, first, query) == pair{2 * r, 2 * r});
  CHECK(together(none, first, last) == pair{2 * r, 2 * r});
}

TEST_CASE("flipout: one gaussian a step, and signs of rank one for each query", "[noise]") {
  const zoft::layout s = shape();
  const zoft::flipout sampler{s};
  const auto u = noise<double>(zoft::gaussian{}, {5, 6, 0}, s.size());
  std::vector<matrix> patterns;
  for (std::uint32_t query = 0; query < 3; ++query) {
    const auto z = noise<double>(sampler, {5, 6, query}, s.size());
    for (const zoft::tensor& t : s) {
      if (!t.is_matrix()) continue;
      matrix sign;
      for (std::size_t i = t.offset; i < t.offset + t.size(); ++i) sign.push_back(z[i] / u[i]);
      for (const double v : sign) REQUIRE(std::abs(v) == 1);
      CHECK(rank_of(sign, t.columns) == 1);
      patterns.push_back(sign);
    }
  }
  std::sort(patterns.begin(), patterns.end());
  CHECK(std::adjacent_find(patterns.begin(), patterns.end()) == patterns.end());
}

TEST_CASE("low-rank samplers: E zzᵀ, and E (zᵀg)z", "[noise]") {
  const zoft::layout s = shape();
  const matrix g = drawn({3, 1, 4}, stream::data, s.size());
  constexpr std::uint32_t trials = 6000;
  // Of the mean of (zᵀg)z, one number: its part along g, which is its factor if it is a multiple of g at all; and its
  // part along another direction at right angles to g.
  const auto check = [&](const auto& sampler, double factor, double squared) {
    matrix across = drawn({3, 1, 5}, stream::data, s.size());
    for (const zoft::tensor& t : s) {
      if (!t.is_matrix()) continue;
      CAPTURE(t.name);
      const matrix of_g = tensor_of(g, t);
      matrix other = tensor_of(across, t);
      const double share = inner(of_g, other) / inner(of_g, of_g);
      for (std::size_t i = 0; i < other.size(); ++i) other[i] -= share * of_g[i];
      std::vector<double> along, sideways, lengths, first;
      for (std::uint32_t trial = 0; trial < trials; ++trial) {
        // Each trial is another run, as some factors last for a run.
        const matrix z = tensor_of(noise<double>(sampler, {trial + 1000, 0, 0}, s.size()), t);
        const double slope = inner(z, of_g);
        along.push_back(slope * slope / inner(of_g, of_g));
        sideways.push_back(slope * inner(z, other));
        lengths.push_back(inner(z, z) / static_cast<double>(t.size()));
        first.push_back(z[0]);
      }
      CHECK(has_mean(along, factor));
      CHECK(!has_mean(along, 2 * factor));
      CHECK(has_mean(sideways, 0));
      CHECK(has_mean(lengths, squared));
      CHECK(has_mean(first, 0));
    }
  };
  constexpr std::size_t r = 3;
  check(zoft::low_rank_gaussian{s, r, 1, zoft::low_rank_scaling::one_over_rank}, 1.0 / r, 1.0 / r);
  check(zoft::low_rank_gaussian{s, r, 1, zoft::low_rank_scaling::unbiased}, 1, 1);
  check(zoft::low_rank_orthonormal{s, r, 1, zoft::low_rank_scaling::one_over_rank}, 1.0 / r, 1.0 / r);
  check(zoft::low_rank_orthonormal{s, r, 1, zoft::low_rank_scaling::unbiased}, 1, 1);
  check(zoft::low_rank_product{s, r}, 1, 1);
  check(zoft::subspace{s, r, 1}, 1, 1);
  check(zoft::diagonal_subspace{s, r}, r, r);
  check(zoft::flipout{s}, 1, 1);
}

TEST_CASE("diagonal_subspace: with U and V kept, E (zᵀg)z is the sum over their columns", "[noise]") {
  zoft::layout s;
  s.add("w", 5, 4);
  constexpr std::size_t r = 2;
  const zoft::diagonal_subspace sampler{s, r};
  const matrix g = drawn({3, 1, 4}, stream::data, 20);
  const matrix u = drawn({9, 0, 0}, stream::left_factor, 5 * r), v = drawn({9, 0, 0}, stream::right_factor, 4 * r);
  std::vector<std::vector<double>> samples(20);
  for (std::uint32_t step = 0; step < 5000; ++step) {
    const auto z = noise<double>(sampler, {9, step, 0}, 20);
    const double slope = inner(z, g);
    for (std::size_t i = 0; i < 20; ++i) samples[i].push_back(slope * z[i]);
  }
  matrix expected(20, 0.0);
  for (std::size_t l = 0; l < r; ++l) {
    matrix pair;
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < 4; ++j) pair.push_back(u[i * r + l] * v[l * 4 + j]);
    for (std::size_t i = 0; i < 20; ++i) expected[i] += inner(pair, g) * pair[i];
  }
  for (std::size_t i = 0; i < 20; ++i) CHECK(has_mean(samples[i], expected[i]));
}

namespace {

// The trap: noise drawn tensor by tensor, each time from the seed on.
struct reseeded {
  zoft::layout layout;
  template <zoft::number T>
  void axpy(std::span<T> x, zoft::arithmetic_t<T> a, direction of, std::uint64_t) const {
    for (const zoft::tensor& t : layout) zoft::gaussian{}.axpy(x.subspan(t.offset, t.size()), a, of);
  }
};

}  // namespace

TEST_CASE("samplers: tensors of one shape, queries and steps have nothing in common", "[noise]") {
  const zoft::layout s = shape();
  const zoft::tensor &a = s.tensors()[1], &b = s.tensors()[2];
  // ⟨z, z′⟩ of two tensors, or of two directions in one, over runs.
  const auto tensors = [&](const auto& sampler) {
    std::vector<double> sample;
    for (std::uint32_t run = 0; run < 1500; ++run) {
      const auto z = noise<double>(sampler, {run, 0, 0}, s.size());
      sample.push_back(inner(tensor_of(z, a), tensor_of(z, b)));
    }
    return has_mean(sample, 0);
  };
  const auto directions = [&](const auto& sampler, direction other) {
    std::vector<double> sample;
    for (std::uint32_t run = 0; run < 1500; ++run)
      sample.push_back(inner(noise<double>(sampler, {run, 0, 0}, s.size()),
                             noise<double>(sampler, {run, other.step, other.query}, s.size())));
    return has_mean(sample, 0);
  };
  const auto check = [&](const char* name, const auto& sampler) {
    CAPTURE(name);
    CHECK(tensors(sampler));
    CHECK(directions(sampler, {0, 0, 1}));
    CHECK(directions(sampler, {0, 1, 0}));
  };
  for_each_sampler(2, 5, [&](const char* name, const auto& sampler, std::size_t) { check(name, sampler); });
  check("gaussian", zoft::gaussian{});
  check("rademacher", zoft::rademacher{});
  check("uniform", zoft::uniform{});
  check("sphere", zoft::sphere{s.size()});
  check("sparse", zoft::sparse{zoft::gaussian{}, 0.5});
  CHECK(!tensors(reseeded{s}));

  // Within a direction no two elements are of one word: neither of two tensors, nor of vectors and matrices' cores.
  for_each_sampler(2, 5, [&](const char* name, const auto& sampler, std::size_t) {
    CAPTURE(name);
    auto z = noise<double>(sampler, d, s.size());
    for (double& v : z) v = std::abs(v);
    std::sort(z.begin(), z.end());
    CHECK(std::adjacent_find(z.begin(), z.end()) == z.end());
  });
  const auto core = [&](const auto& sampler) {
    std::vector<float> y(sampler.core().size(), 0.0f);
    sampler.core_axpy(std::span(y), 1.0f, d);
    std::sort(y.begin(), y.end());
    CHECK(std::adjacent_find(y.begin(), y.end()) == y.end());
  };
  core(zoft::low_rank_gaussian{s, 2});
  core(zoft::subspace{s, 2});
  core(zoft::diagonal_subspace{s, 2});
}

TEMPLATE_TEST_CASE("low-rank samplers: any piece, in any order, has the bits of the whole", "[noise]", float, double,
                   zoft::bfloat16, zoft::half) {
  using T = TestType;
  using A = zoft::arithmetic_t<T>;
  const zoft::layout s = shape();
  for (const std::size_t rank : {1u, 3u, 5u})
    for_each_sampler(rank, 5, [&](const char* name, const auto& sampler, std::size_t) {
      CAPTURE(name, rank);
      const auto z = noise<A>(sampler, d, s.size());
      std::vector<T> start, expected;
      for (std::size_t i = 0; i < z.size(); ++i) start.push_back(T(A(0.02) * z[(i * 7 + 1) % z.size()]));
      for (std::size_t i = 0; i < z.size(); ++i) expected.push_back(moved<T>(start[i], A(0.037), z[i]));
      auto x = start;
      sampler.axpy(std::span<T>(x), A(0.037), d);
      CHECK(bits(x) == bits(expected));
      const auto made = zoft::at(sampler, d);
      CHECK(made.elements() == s.size());
      for (const std::size_t length : {1u, 2u, 7u, 64u, 150u}) {
        x = start;
        for (std::size_t end = x.size(); end > 0;) {
          const std::size_t n = std::min(length, end);
          end -= n;
          made.axpy(std::span<T>(x).subspan(end, n), A(0.037), end);
        }
        CHECK(bits(x) == bits(expected));
      }
      x = start;
      made.axpy(std::span<T>(x), A(0));
      CHECK(bits(x) == bits(start));
      CHECK(message([&] { made.axpy(std::span<T>(x), A(1), 1); }) ==
            "zoft: axpy: " + zoft::text(s.size()) + " elements from element 1 on were asked, and a direction has " +
                zoft::text(s.size()));
    });
}

TEST_CASE("low-rank samplers: more terms and longer rows than fit at a time", "[noise]") {
  zoft::layout s;
  s.add("w", 5, 3000);
  const zoft::low_rank_gaussian many{s, 150, 10};
  const auto z = noise<double>(many, d, s.size());
  const matrix u = drawn(d, stream::left_factor, 5 * 150), v = drawn({d.seed, 10, 0}, stream::right_factor, 3000 * 150);
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 3000; j += 37) {
      double sum = 0;
      for (std::size_t l = 0; l < 150; ++l) sum += u[i * 150 + l] * v[l * 3000 + j];
      REQUIRE(z[i * 3000 + j] == Approx(sum / 150).margin(1e-12));
    }
}

TEST_CASE("low-rank samplers: elements have the recorded bits", "[noise]") {
  noise_hash::for_each(noise_hash::with_layouts, [](const auto& r) {
    INFO(r.name);
    CHECK(noise_hash::of_layout<float>(r.sampler) == r.as_float);
    CHECK(noise_hash::of_layout<double>(r.sampler) == r.as_double);
  });
}

TEST_CASE("low-rank samplers: options out of range name the value", "[noise]") {
  const zoft::layout s = shape();
  std::vector<float> x(s.size());
  const auto complaint = [&](const auto& sampler) { return message([&] { sampler.axpy(std::span(x), 1.0f, d); }); };
  const auto check = [&]<class S>(const std::string& name, S sampler) {
    sampler.layout = {};
    CHECK(complaint(sampler) == "zoft: " + name + ": the layout is empty, and must name the parameters' matrices");
    sampler.layout = s;
    if constexpr (requires { sampler.rank; }) {
      sampler.rank = 0;
      CHECK(complaint(sampler) == "zoft: " + name + ": rank is 0, and must be at least 1");
      sampler.rank = 2;
    }
    if constexpr (requires { sampler.interval; }) {
      sampler.interval = 0;
      CHECK(complaint(sampler) == "zoft: " + name + ": interval is 0, and must be at least 1 step");
    }
  };
  for_each_sampler(2, 5, [&](const char* name, const auto& sampler, std::size_t) { check(name, sampler); });
  CHECK(complaint(zoft::subspace{s, 7}) ==
        "zoft: subspace: rank is 7, and must be at most 6 for 'wide', which is 6 by 40");
  CHECK(complaint(zoft::low_rank_orthonormal{s, 12}) ==
        "zoft: low_rank_orthonormal: rank is 12, and must be at most 11 for 'a', which is 13 by 11");
  CHECK_NOTHROW(zoft::low_rank_gaussian{s, 50}.axpy(std::span(x), 1.0f, d));
  CHECK_NOTHROW(zoft::diagonal_subspace{s, 50}.axpy(std::span(x), 1.0f, d));
}

TEST_CASE("low-rank samplers: an empty layout is the parameters', and another is refused", "[noise]") {
  const zoft::layout s = shape();
  const auto loss = [](std::span<const double> w) { return sphere(w); };
  for_each_sampler(2, 5, [&](const char* name, auto sampler, std::size_t) {
    CAPTURE(name);
    const auto trained = [&](auto of, const zoft::layout& parameters) {
      zoft::engine tuner{of, zoft::two_point{}, zoft::full{.layout = parameters}, zoft::sgd{.learning_rate = 1e-4}};
      std::vector<double> x(s.size(), 1.0);
      for (int step = 0; step < 3; ++step) tuner.step(std::span(x), loss);
      return x;
    };
    const auto own = trained(sampler, {});
    CHECK(own == trained(sampler, s));
    auto without = sampler;
    without.layout = {};
    CHECK(own == trained(without, s));

    zoft::layout transposed, shorter;
    for (const zoft::tensor& t : s) transposed.add(t.name, t.columns, t.rows);
    shorter.add("a", 13, 11);
    CHECK(message([&] { trained(sampler, transposed); }) ==
          "zoft: " + std::string(name) + ": its layout's tensors are not the parameters'");
    auto other = sampler;
    other.layout = shorter;
    CHECK(message([&] { trained(other, {}); }) == "zoft: " + std::string(name) +
                                                      ": its layout has 143 elements, and the parameters are " +
                                                      zoft::text(s.size()) + " numbers");
    CHECK(message([&] { trained(without, {}); }) ==
          "zoft: " + std::string(name) + ": the layout is empty, and must name the parameters' matrices");
  });
}

}  // namespace low_rank_samplers_tests
