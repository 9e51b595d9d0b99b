#include "functions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <zoft/autotune.hpp>
#include <zoft/minimize.hpp>

#include "told.hpp"

namespace playground {

namespace {

double valley(double x, double y) {
  const double a = 1 - x, b = y - x * x;
  return a * a + 100 * b * b;
}

double ellipse(double x, double y) {
  const double along = 0.8 * x + 0.6 * y, across = 0.8 * y - 0.6 * x;
  return along * along / 2 + 50 * across * across;
}

double four(double x, double y) {
  const double a = x * x + y - 11, b = x + y * y - 7;
  return a * a + b * b;
}

double stairs(double x, double y) { return std::floor(2 * (x * x + 2 * y * y)) / 2; }

double wall(double x, double y) {
  const double room = 1 - x * x - y * y;
  return room > 0 ? 2 - x - y + 0.1 / room : std::numeric_limits<double>::infinity();
}

}  // namespace

std::span<const landscape> landscapes() {
  static const std::vector<landscape> all{
      {"valley",
       "Valley",
       "(1 − x)² + 100(y − x²)²",
       "Rosenbrock's function: the valley is found at once, and its end is not.",
       valley,
       {-2, -1},
       {2, 3},
       {-1.2, 1},
       0.1,
       {{1, 1}},
       0},
      {"ellipse",
       "Ellipse",
       "u²/2 + 50v², with u and v turned by 37°",
       "A hundred times steeper across than along.",
       ellipse,
       {-3, -3},
       {3, 3},
       {-2.2, 1.6},
       0.3,
       {{0, 0}},
       0},
      {"four",
       "Four minima",
       "(x² + y − 11)² + (x + y² − 7)²",
       "Himmelblau's function: the start, and chance, decide which is found.",
       four,
       {-5, -5},
       {5, 5},
       {-0.4, -1},
       0.3,
       {{3, 2}, {-2.805118, 3.131312}, {-3.779310, -3.283186}, {3.584428, -1.848126}},
       0},
      {"stairs",
       "Stairs",
       "⌊2x² + 4y²⌋ / 2",
       "There is no slope but in the large: ε must be as long as a step of the stairs.",
       stairs,
       {-3, -3},
       {3, 3},
       {-2.3, 1.7},
       0.3,
       {{0, 0}},
       0},
      {"wall",
       "Wall",
       "2 − x − y + 0.1 / (1 − x² − y²)",
       "Infinite outside the circle. A step that has seen that is reported, and not applied.",
       wall,
       {-1.25, -1.25},
       {1.25, 1.25},
       {-0.7, -0.3},
       0.03,
       {{0.574859, 0.574859}},
       1.145202646377},
  };
  return all;
}

const landscape& landscape_of(std::string_view name) {
  for (const landscape& one : landscapes())
    if (name == one.name) return one;
  zoft::fail("playground: there is no function " + std::string(name));
}

std::span<const method> methods() {
  static constexpr method all[] = {
      {"mezo", "gaussian", "two_point", "sgd", 1},
      {"prge", "gaussian", "two_point", "sgd", 0},
      {"spsa", "rademacher", "two_point", "sgd", 1},
      {"mezo_adam", "gaussian", "two_point", "adam", 1},
      {"meazo", "gaussian", "two_point", "adaptive_scalar", 1},
      {"zo_sign", "gaussian", "two_point", "sign_of_slopes", 1},
      {"kerzoo", "gaussian", "kernel", "sgd", 1},
      {"one_point", "gaussian", "residual", "sgd", 1},
      {"openes", "gaussian", "evolution", "sgd", 0},
      {"zo_conservative", "gaussian", "greedy", "sgd", 1},
  };
  return all;
}

walk::walk(const landscape& of, const composition& c, place start, double noise)
    : of_(&of), engine_(engine_of(c)), x_(start), noise_(noise), seed_(c.seed) {
  zoft::require(noise >= 0 && noise < 1e300, "playground", "noise", noise, "at least 0");
}

double walk::value(double x, double y) {
  double loss = of_->value(x, y);
  if (noise_ > 0) zoft::gaussian{}.axpy(std::span(&loss, 1), noise_, {~seed_, drawn_++, 0});
  ++evaluations_;
  probes_.push_back({{x, y}, loss});
  return loss;
}

zoft::step_report walk::step() {
  probes_.clear();
  return engine_.step(std::span(x_), [&](std::span<const double> v) { return value(v[0], v[1]); });
}

void walk::set(double epsilon, double learning_rate) {
  engine_.estimator().epsilon = epsilon;
  engine_.optimizer().learning_rate = learning_rate;
}

std::string walk::tune(bool keep_epsilon) {
  probes_.clear();
  return zoft::autotune(engine_, std::span(x_), [&](std::span<const double> v) { return value(v[0], v[1]); },
                        {.keep_epsilon = keep_epsilon})
      .why();
}

std::string walk::minimize(std::size_t evaluations) {
  probes_.clear();
  return zoft::minimize(std::span(x_), [&](std::span<const double> v) { return value(v[0], v[1]); },
                        {.seed = seed_, .evaluations = evaluations, .target = of_->least + 1e-6})
      .why();
}

namespace {

std::string pair(const place& p) { return "[" + zoft::text(p[0]) + "," + zoft::text(p[1]) + "]"; }

/// [f(one), …]
template <class All, class F>
std::string list(const All& all, F f) {
  std::string s;
  for (const auto& one : all) s += (s.empty() ? "" : ",") + f(one);
  return "[" + s + "]";
}

template <class Table>
std::string names(const Table& table) {
  std::string s;
  for_each(table, [&](const auto& one) {
    s += (s.empty() ? "" : ",") + object({{"name", quoted(one.name)}, {"help", quoted(one.help)}});
  });
  return "[" + s + "]";
}

}  // namespace

std::string catalogue() {
  const std::string functions = list(landscapes(), [](const landscape& f) {
    return object({{"name", quoted(f.name)},
                   {"title", quoted(f.title)},
                   {"formula", quoted(f.formula)},
                   {"about", quoted(f.about)},
                   {"lower", pair(f.lower)},
                   {"upper", pair(f.upper)},
                   {"start", pair(f.start)},
                   {"epsilon", zoft::text(f.epsilon)},
                   {"minima", list(f.minima, pair)},
                   {"least", zoft::text(f.least)}});
  });
  const std::string published = list(methods(), [](const method& m) {
    return object({{"name", quoted(m.name)},
                   {"sampler", quoted(m.sampler)},
                   {"estimator", quoted(m.estimator)},
                   {"optimizer", quoted(m.optimizer)},
                   {"queries", zoft::text(m.queries)}});
  });
  return object({{"functions", functions},
                 {"methods", published},
                 {"samplers", names(samplers)},
                 {"estimators", names(estimators)},
                 {"optimizers", names(optimizers)}});
}

}  // namespace playground
