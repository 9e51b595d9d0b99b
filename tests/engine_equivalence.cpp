// All forms of the engine give the same bits as textbook randomised gradient estimation.
#include <zoft/estimator/one_sided.hpp>
#include <zoft/mezo.hpp>
#include <zoft/minimize.hpp>
#include <zoft/prge.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "core_support.hpp"

using namespace core_test;

namespace {

using function = double (*)(std::span<const double>);

double steep_ellipsoid(std::span<const double> x) { return ellipsoid(x, 1e6); }
double valley(std::span<const double> x) { return rosenbrock(x); }
double long_ellipsoid(std::span<const double> x) { return ellipsoid(x, 1e2); }

struct problem {
  const char* name;
  function f;
  std::size_t dimension;
  double rate;
};
const problem problems[] = {{"rotated ellipsoid of condition 1e6", steep_ellipsoid, 20, 2e-8},
                            {"Rosenbrock", valley, 20, 2e-5},
                            {"rotated ellipsoid over several chunks", long_ellipsoid, 2500, 2e-6}};

constexpr double epsilon = 1e-3;
constexpr std::uint64_t run = 42;

/// For each of q directions z: (f(x + εz) − f(x − εz))/2ε; then one step against their mean.
std::vector<double> textbook(const problem& p, std::uint32_t q, std::uint32_t steps) {
  auto x = cosines(p.dimension);
  const std::size_t n = x.size();
  for (std::uint32_t step = 0; step < steps; ++step) {
    std::vector<double> g(n, 0.0);
    for (std::uint32_t i = 0; i < q; ++i) {
      const auto z = noise<double>(zoft::gaussian{}, {run, step, i}, n);
      std::vector<double> up(n), down(n);
      for (std::size_t j = 0; j < n; ++j) up[j] = multiply_add(epsilon, z[j], x[j]);
      for (std::size_t j = 0; j < n; ++j) down[j] = multiply_add(-epsilon, z[j], x[j]);
      const double slope = (p.f(up) - p.f(down)) / (2 * epsilon * static_cast<double>(q));
      for (std::size_t j = 0; j < n; ++j) g[j] = multiply_add(slope, z[j], g[j]);
    }
    for (std::size_t j = 0; j < n; ++j) x[j] = multiply_add(-p.rate, g[j], x[j]);
  }
  return x;
}

const auto one_point = [](const problem& p) { return [&p](std::span<const double> x) { return p.f(x); }; };
const auto stacked = [](const problem& p) {
  return [&p](zoft::candidates<double> c, std::span<double> losses) {
    for (std::size_t i = 0; i < c.size(); ++i) losses[i] = p.f(c[i]);
  };
};

template <class Tuner, class F>
std::vector<double> steps_of(Tuner tuner, std::vector<double> x, std::uint32_t steps, F functor) {
  for (std::uint32_t step = 0; step < steps; ++step)
    if (tuner.step(std::span(x), functor).status != zoft::status::ok) FAIL("a step was rejected");
  return x;
}

template <class Tuner>
std::vector<double> by_hand(Tuner tuner, const problem& p, std::uint32_t steps) {
  auto x = cosines(p.dimension);
  for (std::uint32_t step = 0; step < steps; ++step) {
    std::vector<double> losses;
    for (std::size_t first = 0; first < tuner.evaluations(); first += 3) {
      const auto c = tuner.ask(std::span<const double>(x), first, 3);
      for (std::size_t i = 0; i < c.size(); ++i) losses.push_back(p.f(c[i]));
    }
    tuner.tell(std::span(x), losses);
  }
  return x;
}

}  // namespace

TEST_CASE("engine: stacked, in halves, one by one, by hand and from a textbook: the same bits", "[engine]") {
  for (const problem& p : problems)
    for (const std::uint32_t q : {1u, 4u}) {
      CAPTURE(p.name, q);
      const std::uint32_t steps = p.dimension > 1000 ? 10 : 100;
      const auto mezo = zoft::mezo({.epsilon = epsilon, .learning_rate = p.rate, .queries = q, .seed = run});
      const zoft::prge_options o{.queries = q, .epsilon = epsilon, .learning_rate = p.rate, .seed = run};
      zoft::prge_options outer = o;
      outer.loops = zoft::parallel::outer;

      const auto expected = textbook(p, q, steps);
      CHECK(p.f(expected) < p.f(cosines(p.dimension)));
      CHECK(bits(steps_of(mezo, cosines(p.dimension), steps, one_point(p))) == bits(expected));
      CHECK(bits(steps_of(mezo, cosines(p.dimension), steps, stacked(p))) == bits(expected));
      CHECK(bits(steps_of(zoft::prge(o), cosines(p.dimension), steps, one_point(p))) == bits(expected));
      CHECK(bits(steps_of(zoft::prge(o), cosines(p.dimension), steps, stacked(p))) == bits(expected));
      CHECK(bits(steps_of(zoft::prge(outer), cosines(p.dimension), steps, stacked(p))) == bits(expected));
      CHECK(bits(by_hand(mezo, p, steps)) == bits(expected));

      auto x = cosines(p.dimension);
      zoft::minimize(std::span(x), p.f,
                     {.steps = steps, .learning_rate = p.rate, .epsilon = epsilon, .queries = q, .seed = run});
      // The best point, which is the last one where each look was lower than all before.
      CHECK(p.f(x) <= p.f(expected));
      if (p.f(x) == p.f(expected)) CHECK(bits(x) == bits(expected));
    }
}

TEMPLATE_TEST_CASE("engine: in place and as copies, the same bits in every storage", "[engine]", float, zoft::bfloat16,
                   zoft::half) {
  using T = TestType;
  const auto loss = [](std::span<const T> x) {
    double sum = 0;
    for (const T v : x) sum += std::pow(static_cast<double>(static_cast<float>(v)) - 0.3, 2);
    return sum;
  };
  const auto check = [&](const auto& tuner) {
    auto one = tuner, all = tuner;
    std::vector<T> x(2500, T(1.0f)), y = x;
    for (int step = 0; step < 20; ++step) {
      one.step(std::span(x), loss);
      all.step(std::span(y), [&](zoft::candidates<T> c, std::span<double> losses) {
        for (std::size_t i = 0; i < c.size(); ++i) losses[i] = loss(c[i]);
      });
    }
    CHECK(bits(x) == bits(y));
    CHECK(loss(x) < 0.997 * loss(std::vector<T>(2500, T(1.0f))));
  };
  check(zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-4, .queries = 3, .seed = 42}));
  check(zoft::engine{zoft::rademacher{}, zoft::one_sided{.epsilon = 1e-2, .queries = 4}, zoft::full{},
                     zoft::sgd{.learning_rate = 1e-4}, zoft::seed{42}});
}
