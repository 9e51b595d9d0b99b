// Optimizers whose state has the size of a core. They equal dense ones, also when the basis is renewed.
#include <algorithm>
#include <limits>
#include <zoft/method/lozo_m.hpp>
#include <zoft/method/subzero.hpp>
#include <zoft/method/tezo.hpp>
#include <zoft/method/zo_muon.hpp>
#include <zoft/sampler/low_rank_product.hpp>

#include "core_support.hpp"

namespace factored_tests {

using namespace core_test;
using zoft::direction;
using zoft::random::stream;

namespace {

using matrix = std::vector<double>;

// What renews its basis, and what can be carried, as compose<>'s assertions see it.
using zoft::composition::basis_of, zoft::composition::carried, zoft::composition::isometric,
    zoft::composition::renewable;
static_assert(renewable<basis_of<zoft::low_rank_gaussian>> && renewable<basis_of<zoft::low_rank_orthonormal>>);
static_assert(renewable<basis_of<zoft::subspace>> && !renewable<basis_of<zoft::diagonal_subspace>>);
static_assert(isometric<basis_of<zoft::low_rank_orthonormal>> && isometric<basis_of<zoft::subspace>>);
static_assert(!isometric<basis_of<zoft::low_rank_gaussian>> && !isometric<basis_of<zoft::diagonal_subspace>>);
static_assert(carried<zoft::momentum> && carried<zoft::muon> && !carried<zoft::adam>);
static_assert(zoft::factored_optimizer<zoft::factored<zoft::momentum>>);
static_assert(zoft::optimizer<zoft::factored<zoft::momentum>> && zoft::optimizer<zoft::factored<zoft::muon>>);
static_assert(!zoft::optimizer<zoft::muon>);

zoft::layout shape() {
  zoft::layout result;
  result.add("gain", 5);
  result.add("a", 9, 12);
  result.add("bias", 9);
  result.add("b", 60, 50);
  return result;
}

matrix start(std::size_t n) {
  matrix x;
  for (std::size_t i = 0; i < n; ++i) x.push_back(std::sin(static_cast<double>(i)));
  return x;
}

double loss(std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (1 + std::cos(static_cast<double>(i))) * x[i] * x[i] + 0.1 * x[i];
  return sum;
}

constexpr double nan_ = std::numeric_limits<double>::quiet_NaN();

// to (a, c) ← x (a, b) · y (b, c)
matrix times(const matrix& x, const matrix& y, std::size_t b) {
  const std::size_t a = x.size() / b, c = y.size() / b;
  matrix to(a * c, 0.0);
  for (std::size_t i = 0; i < a; ++i)
    for (std::size_t l = 0; l < b; ++l)
      for (std::size_t j = 0; j < c; ++j) to[i * c + j] += x[i * b + l] * y[l * c + j];
  return to;
}

matrix transposed(const matrix& x, std::size_t columns) {
  matrix to;
  for (std::size_t j = 0; j < columns; ++j)
    for (std::size_t i = 0; i < x.size() / columns; ++i) to.push_back(x[i * columns + j]);
  return to;
}

// A factor of the matrix `index`, (r, n), as the samplers draw it.
matrix factor(direction d, stream s, const zoft::layout& tensors, std::size_t index, std::size_t rank,
              bool orthonormal) {
  std::uint64_t first = 0;
  const auto side = [&](const zoft::tensor& t) { return s == stream::left_factor ? t.rows : t.columns; };
  for (std::size_t i = 0; i < index; ++i)
    if (tensors.tensors()[i].is_matrix()) first += side(tensors.tensors()[i]) * rank;
  matrix z(side(tensors.tensors()[index]) * rank, 0.0);
  zoft::random::drawn<zoft::random::normal>(d, s).axpy(std::span(z), 1.0, first);
  if (orthonormal) zoft::random::orthonormalise(z, rank);
  for (double& v : z) v = static_cast<double>(static_cast<float>(v));
  return z;
}

// What a dense buffer becomes where the basis is renewed, one matrix (m, k).
using projection = matrix (*)(const matrix& buffer, direction renewed, const zoft::layout&, std::size_t index);

// The loss is quadratic, so that a large radius costs nothing but rounding.
constexpr double epsilon = 0.5;
constexpr std::size_t rank = 3;
constexpr std::uint32_t interval = 7;

matrix onto_gaussian(const matrix& buffer, direction renewed, const zoft::layout& s, std::size_t index) {
  const matrix v = factor(renewed, stream::right_factor, s, index, rank, false);
  const std::size_t k = s.tensors()[index].columns;
  matrix result = times(times(buffer, transposed(v, k), k), v, rank);
  for (double& f : result) f /= static_cast<double>(k);
  return result;
}
matrix onto_orthonormal(const matrix& buffer, direction renewed, const zoft::layout& s, std::size_t index) {
  const matrix v = factor(renewed, stream::right_factor, s, index, rank, true);
  const std::size_t k = s.tensors()[index].columns;
  return times(times(buffer, transposed(v, k), k), v, rank);
}
matrix onto_subspace(const matrix& buffer, direction renewed, const zoft::layout& s, std::size_t index) {
  const matrix u = factor(renewed, stream::left_factor, s, index, rank, true);
  const std::size_t rows = s.tensors()[index].rows;
  return times(transposed(u, rows), times(u, onto_orthonormal(buffer, renewed, s, index), rows), rank);
}

struct textbook {
  double rate = 1e-4, beta = 0.9, dampening = 0, decay = 0;
  std::size_t queries = 2;
  std::uint32_t renewed_every = 0;  // steps; 0: never
  projection project = nullptr;
  bool (*decays)(const zoft::tensor&) = zoft::all;
  bool (*rejected)(std::uint32_t step) = [](std::uint32_t) { return false; };
  bool (*rests)(std::uint32_t step, std::size_t tensor) = [](std::uint32_t, std::size_t) { return false; };
};

// Momentum with a dense buffer, on a sampler's z.
template <class Sampler>
matrix dense(const Sampler& sampler, const textbook& t, std::uint32_t steps) {
  const zoft::layout& s = sampler.layout;
  matrix x = start(s.size()), velocity(s.size(), 0.0);
  std::uint32_t basis = 0;  // the step whose basis the buffer is in
  for (std::uint32_t step = 0; step < steps; ++step) {
    std::vector<matrix> z;
    matrix g(s.size(), 0.0);
    for (std::uint32_t i = 0; i < t.queries; ++i) {
      z.push_back(noise<double>(sampler, {42, step, i}, s.size()));
      for (std::size_t k = 0; k < s.tensors().size(); ++k)
        if (t.rests(step, k)) {
          const zoft::tensor& resting = s.tensors()[k];
          std::fill_n(z.back().begin() + static_cast<std::ptrdiff_t>(resting.offset), resting.size(), 0.0);
        }
      matrix up = x, down = x;
      for (std::size_t j = 0; j < x.size(); ++j) up[j] += epsilon * z[i][j], down[j] -= epsilon * z[i][j];
      const double c = (loss(up) - loss(down)) / (2 * epsilon * static_cast<double>(t.queries));
      for (std::size_t j = 0; j < x.size(); ++j) g[j] += c * z[i][j];
    }
    if (t.rejected(step)) continue;
    if (t.renewed_every > 0 && step / t.renewed_every != basis / t.renewed_every)
      for (std::size_t k = 0; k < s.tensors().size(); ++k) {
        const zoft::tensor& of = s.tensors()[k];
        if (!of.is_matrix()) continue;
        const auto at = velocity.begin() + static_cast<std::ptrdiff_t>(of.offset);
        const matrix moved = t.project(matrix(at, at + static_cast<std::ptrdiff_t>(of.size())),
                                       {42, step / t.renewed_every * t.renewed_every, 0}, s, k);
        std::copy(moved.begin(), moved.end(), at);
      }
    basis = step;
    for (std::size_t k = 0; k < s.tensors().size(); ++k) {
      const zoft::tensor& of = s.tensors()[k];
      if (t.rests(step, k)) continue;
      for (std::size_t j = of.offset; j < of.offset + of.size(); ++j) {
        velocity[j] = t.beta * velocity[j] + (1 - t.dampening) * g[j];
        x[j] -= t.rate * (velocity[j] + (t.decays(of) ? t.decay * x[j] : 0));
      }
    }
  }
  return x;
}

// The engine, whose functor says NaN in rejected steps.
template <class T, class Tuner>
std::vector<T> trained(Tuner tuner, std::size_t n, std::uint32_t steps, const textbook& t) {
  std::vector<T> x;
  for (const double v : start(n)) x.push_back(static_cast<T>(v));
  for (std::uint32_t step = 0; step < steps; ++step)
    tuner.step(std::span(x),
               [&](std::span<const T> w) { return t.rejected(step) ? nan_ : loss(matrix(w.begin(), w.end())); });
  return x;
}

template <class Sampler>
auto with_momentum(const Sampler& sampler, const textbook& t) {
  return zoft::engine{
      sampler, zoft::two_point{.epsilon = epsilon, .queries = t.queries}, zoft::full{.layout = sampler.layout},
      zoft::factored{zoft::momentum{
          .learning_rate = t.rate, .beta = t.beta, .dampening = t.dampening, .decay = t.decay, .decays = t.decays}},
      zoft::seed{42}};
}

double distance(const matrix& a, const matrix& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

// A hundred steps of each; and that the test would see it if the dense one did otherwise.
template <class Sampler>
void compare(const Sampler& sampler, textbook t) {
  const std::size_t n = sampler.layout.size();
  const matrix expected = dense(sampler, t, 100);
  CHECK(distance(trained<double>(with_momentum(sampler, t), n, 100, t), expected) < 1e-12);
  CHECK(distance(expected, start(n)) > 1e-2);
  t.beta = 0.5;
  CHECK(distance(dense(sampler, t, 100), expected) > 1e-4);
}

}  // namespace

TEST_CASE("momentum: dampening takes from the estimate", "[optimizer]") {
  for (const double dampening : {0.0, 0.25, 0.9, 1.0}) {
    zoft::momentum m{.learning_rate = 0.1, .beta = 0.75, .dampening = dampening};
    m.check();
    std::vector<double> x{1, -2};
    m.start<double>(std::span<const double>(x), {});
    double expected[2] = {1, -2}, velocity[2] = {};
    for (int step = 0; step < 100; ++step) {
      std::vector<double> g{x[0], 3 * x[1]};
      for (int i = 0; i < 2; ++i) {
        velocity[i] = 0.75 * velocity[i] + (1 - dampening) * (i == 0 ? 1 : 3) * expected[i];
        expected[i] -= 0.1 * velocity[i];
      }
      m.apply<double>(std::span(x), std::span(g), {.first = 0, .rate = 0.1});
    }
    CHECK(x[0] == Approx(expected[0]).margin(1e-12));
    CHECK(x[1] == Approx(expected[1]).margin(1e-12));
  }
  for (const double dampening : {-0.5, 1.5})
    CHECK(message([&] { zoft::momentum{.dampening = dampening}.check(); }) ==
          "zoft: momentum: dampening is " + zoft::text(dampening) + ", and must be at least 0 and at most 1");
  CHECK(message([] { zoft::momentum{.dampening = nan_}.check(); }).find("momentum: dampening is nan") == 6);
}

TEST_CASE("factored momentum: equal to dense momentum while the basis is kept", "[factored]") {
  const zoft::layout s = shape();
  for (const double dampening : {0.0, 0.9})
    for (const double decay : {0.0, 0.5}) {
      const textbook t{.dampening = dampening, .decay = decay, .decays = zoft::matrices};
      compare(zoft::low_rank_gaussian{s, rank, 1000}, t);
      compare(zoft::low_rank_orthonormal{s, rank, 1000}, t);
    }
  compare(zoft::subspace{s, rank, 1000}, {.rate = 2e-5});
  compare(zoft::diagonal_subspace{s, rank}, {.rate = 2e-5});
}

TEST_CASE("factored momentum: where the basis is renewed, equal to a dense one that is projected", "[factored]") {
  const zoft::layout s = shape();
  compare(zoft::low_rank_gaussian{s, rank, interval}, {.renewed_every = interval, .project = onto_gaussian});
  compare(zoft::low_rank_orthonormal{s, rank, interval}, {.renewed_every = interval, .project = onto_orthonormal});
  compare(zoft::subspace{s, rank, interval}, {.rate = 2e-5, .renewed_every = interval, .project = onto_subspace});
  // The faults: state that stays where it was, in coordinates of another basis, is not a dense buffer that stays.
  textbook kept{.renewed_every = interval, .project = onto_gaussian};
  const zoft::low_rank_gaussian sampler{s, rank, interval};
  const matrix ours = trained<double>(with_momentum(sampler, kept), s.size(), 100, kept);
  kept.renewed_every = 0;
  CHECK(distance(dense(sampler, kept, 100), ours) > 1e-4);
}

TEST_CASE("factored momentum: a rejected step neither loses state nor a renewal", "[factored]") {
  const zoft::layout s = shape();
  // The first steps of two intervals, and a whole interval.
  const auto rejected = [](std::uint32_t step) {
    return step == interval || step == 3 * interval || (step >= 5 * interval && step < 6 * interval) || step == 2;
  };
  compare(zoft::low_rank_gaussian{s, rank, interval},
          {.renewed_every = interval, .project = onto_gaussian, .rejected = rejected});
  compare(zoft::subspace{s, rank, interval},
          {.rate = 2e-5, .renewed_every = interval, .project = onto_subspace, .rejected = rejected});
}

namespace {

// Every third tensor rests.
struct resting {
  zoft::layout layout;
  std::vector<bool> trains(const zoft::layout& shape, direction d) const {
    std::vector<bool> result;
    for (std::size_t index = 0; index < shape.tensors().size(); ++index) result.push_back((d.step + index) % 3 != 0);
    return result;
  }
};

}  // namespace

TEST_CASE("factored momentum: a tensor that rests keeps its state", "[factored]") {
  const zoft::layout s = shape();
  const textbook t{.renewed_every = interval, .project = onto_gaussian, .rests = [](std::uint32_t step, std::size_t i) {
                     return (step + i) % 3 == 0;
                   }};
  const zoft::low_rank_gaussian sampler{s, rank, interval};
  const auto momentum = zoft::momentum{.learning_rate = t.rate, .beta = t.beta};
  zoft::engine tuner{sampler, zoft::two_point{.epsilon = epsilon, .queries = 2}, resting{s}, zoft::factored{momentum},
                     zoft::seed{42}};
  CHECK(distance(trained<double>(tuner, s.size(), 100, t), dense(sampler, t, 100)) < 1e-12);
}

TEST_CASE("factored momentum: in float near the double, and the same without the engine's layout", "[factored]") {
  const zoft::layout s = shape();
  const textbook t{.renewed_every = interval, .project = onto_gaussian};
  const zoft::low_rank_gaussian sampler{s, rank, interval};
  const auto x = trained<float>(with_momentum(sampler, t), s.size(), 100, t);
  CHECK(distance(matrix(x.begin(), x.end()), dense(sampler, t, 100)) < 1e-3);
  const auto without = [&](zoft::full adapter) {
    zoft::engine tuner{sampler, zoft::two_point{.epsilon = epsilon}, adapter,
                       zoft::factored{zoft::momentum{.learning_rate = 1e-4}}, zoft::seed{42}};
    return trained<double>(tuner, s.size(), 20, t);
  };
  CHECK(without({}) == without({.layout = s}));
}

TEST_CASE("factored momentum: carrying a core is the nearest there is, where V is orthonormal", "[factored]") {
  zoft::layout s;
  s.add("w", 6, 200);
  const auto check = [&](const auto& sampler) {
    const auto from = sampler.basis({1, 0, 0}), to = sampler.basis({1, interval, 0});
    matrix y(sampler.core().size(), 0.0);
    sampler.core_axpy(std::span(y), 1.0, {1, 0, 0});
    matrix before(s.size(), 0.0), after(s.size(), 0.0);
    from.embed(std::span<const double>(y), std::span(before), 0);
    to.carry(from, std::span(y));
    to.embed(std::span<const double>(y), std::span(after), 0);
    // What is left is at right angles to all that the new basis can make.
    double length = 0;
    for (const double v : before) length += v * v;
    for (std::size_t i = 0; i < y.size(); ++i) {
      matrix unit(y.size(), 0.0), made(s.size(), 0.0);
      unit[i] = 1;
      to.embed(std::span<const double>(unit), std::span(made), 0);
      double slope = 0, square = 0;
      for (std::size_t j = 0; j < s.size(); ++j) slope += made[j] * (before[j] - after[j]), square += made[j] * made[j];
      CHECK(std::abs(slope) < 1e-6 * std::sqrt(length * square));
      CHECK(std::sqrt(square) == Approx(to.gain(0)).epsilon(1e-6));
    }
  };
  check(zoft::low_rank_orthonormal{s, rank, interval});
  check(zoft::subspace{s, rank, interval});
}

TEST_CASE("tezo_adam: Adam on the coordinates τ", "[factored]") {
  const zoft::layout s = shape();
  const zoft::diagonal_subspace sampler{s, rank};
  matrix x = start(s.size());
  const std::size_t n = sampler.core().size();
  matrix first(n, 0.0), second(n, 0.0);
  for (std::uint32_t step = 0; step < 100; ++step) {
    const auto z = noise<double>(sampler, {42, step, 0}, s.size());
    matrix up = x, down = x, y(n, 0.0), g(s.size(), 0.0);
    for (std::size_t j = 0; j < x.size(); ++j) up[j] += epsilon * z[j], down[j] -= epsilon * z[j];
    sampler.core_axpy(std::span(y), (loss(up) - loss(down)) / (2 * epsilon), {42, step, 0});
    for (std::size_t j = 0; j < n; ++j) {
      first[j] = 0.9 * first[j] + 0.1 * y[j];
      second[j] = 0.999 * second[j] + 0.001 * y[j] * y[j];
      const double unbiased = first[j] / (1 - std::pow(0.9, step + 1));
      y[j] = unbiased / (std::sqrt(second[j] / (1 - std::pow(0.999, step + 1))) + 1e-8);
    }
    sampler.basis({42, step, 0}).embed(std::span<const double>(y), std::span(g), 0);
    for (std::size_t j = 0; j < x.size(); ++j) x[j] -= 1e-3 * (g[j] + 0.1 * x[j]);
  }
  auto tuner = zoft::tezo_adam({.rank = rank, .epsilon = epsilon, .learning_rate = 1e-3, .decay = 0.1, .seed = 42}, s);
  CHECK(distance(trained<double>(tuner, s.size(), 100, {}), x) < 1e-12);
}

TEST_CASE("methods by name are those compositions", "[factored]") {
  const zoft::layout s = shape();
  const auto run = [&](auto tuner) { return trained<double>(std::move(tuner), s.size(), 20, {}); };
  CHECK(run(zoft::lozo_m(
            {.rank = 3, .interval = 7, .epsilon = epsilon, .learning_rate = 1e-4, .queries = 2, .seed = 42}, s)) ==
        run(with_momentum(zoft::low_rank_gaussian{s, 3, 7}, {.dampening = 0.9})));
  CHECK(run(zoft::tezo_m({.rank = 3, .epsilon = epsilon, .learning_rate = 1e-4, .queries = 2, .seed = 42}, s)) ==
        run(with_momentum(zoft::diagonal_subspace{s, 3}, {})));
  const auto plain = [&](const auto& sampler) {
    return run(zoft::engine{sampler, zoft::two_point{.epsilon = epsilon}, zoft::full{.layout = s},
                            zoft::sgd{.learning_rate = 1e-5, .decay = 0.1}, zoft::seed{7}});
  };
  CHECK(run(zoft::tezo({.rank = 3, .epsilon = epsilon, .learning_rate = 1e-5, .decay = 0.1, .seed = 7}, s)) ==
        plain(zoft::diagonal_subspace{s, 3}));
  CHECK(run(zoft::subzero(
            {.rank = 3, .interval = 7, .epsilon = epsilon, .learning_rate = 1e-5, .decay = 0.1, .seed = 7}, s)) ==
        plain(zoft::subspace{s, 3, 7}));
  CHECK(message([&] { zoft::lozo_m({.beta = 1}, s); }).find("momentum: beta is 1") == 6);
  CHECK(message([&] { zoft::zo_muon({.iterations = 0}, s); }).find("muon: iterations is 0") == 6);
}

}  // namespace factored_tests
