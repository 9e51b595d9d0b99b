/// Policies that are chosen by name while a program runs. Each of these is a policy itself, and holds one of zoft's: so
/// one engine stands for all that they can be composed to.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>
#include <zoft/adapter/full.hpp>
#include <zoft/engine.hpp>
#include <zoft/estimator/evolution.hpp>
#include <zoft/estimator/greedy.hpp>
#include <zoft/estimator/kernel.hpp>
#include <zoft/estimator/leave_one_out.hpp>
#include <zoft/estimator/normalised.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/residual.hpp>
#include <zoft/estimator/two_point.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/optimizer/adaptive_scalar.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/optimizer/sgd.hpp>
#include <zoft/optimizer/sign_of_slopes.hpp>
#include <zoft/sampler/coordinate.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/orthogonal.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/sphere.hpp>
#include <zoft/sampler/uniform.hpp>
#include <zoft/tuning/chosen.hpp>

namespace playground {

/// What a run is composed of. The numbers are of all policies that have them.
struct composition {
  std::string sampler = "gaussian", estimator = "two_point", optimizer = "sgd";
  std::size_t queries = 1;      ///< directions a step
  double epsilon = 1e-3;        ///< ε
  double learning_rate = 1e-3;  ///< η
  std::uint64_t seed = 0;       ///< names the run
};

inline constexpr std::uint64_t dimension = 2;  ///< of all functions here

/// A line of a table: a policy's name, what it does, how it is made, and how it is written in a program.
template <class Make, class Write>
struct choice {
  const char* name;
  const char* help;
  Make make;    // composition -> policy
  Write write;  // composition -> C++
};
template <class Make, class Write>
choice(const char*, const char*, Make, Write) -> choice<Make, Write>;

namespace detail {

inline std::string radius(const composition& c) { return ".epsilon = " + zoft::text(c.epsilon); }
inline std::string radius_and_queries(const composition& c) {
  return radius(c) + ", .queries = " + zoft::text(c.queries);
}
inline std::string rate(const composition& c) { return "{.learning_rate = " + zoft::text(c.learning_rate) + "}"; }
inline std::uint32_t orthogonal_at_once(const composition& c) {
  return static_cast<std::uint32_t>(std::min<std::size_t>(c.queries, dimension));
}

}  // namespace detail

inline const std::tuple samplers{
    choice{"gaussian", "independent normal numbers", [](const composition&) { return zoft::gaussian{}; },
           [](const composition&) { return std::string("zoft::gaussian{}"); }},
    choice{"rademacher", "random signs", [](const composition&) { return zoft::rademacher{}; },
           [](const composition&) { return std::string("zoft::rademacher{}"); }},
    choice{"uniform", "uniform in a square", [](const composition&) { return zoft::uniform{}; },
           [](const composition&) { return std::string("zoft::uniform{}"); }},
    choice{"sphere", "uniform on a circle", [](const composition&) { return zoft::sphere{.size = dimension}; },
           [](const composition&) { return std::string("zoft::sphere{.size = 2}"); }},
    choice{"orthogonal", "on a circle, and each at right angles to the last",
           [](const composition& c) {
             return zoft::orthogonal{.size = dimension, .queries = detail::orthogonal_at_once(c)};
           },
           [](const composition& c) {
             return "zoft::orthogonal{.size = 2, .queries = " + zoft::text(detail::orthogonal_at_once(c)) + "}";
           }},
    choice{"coordinate", "along one axis after the other",
           [](const composition&) { return zoft::coordinate{.size = dimension, .order = zoft::order::cyclic}; },
           [](const composition&) { return std::string("zoft::coordinate{.size = 2, .order = zoft::order::cyclic}"); }},
};

inline const std::tuple estimators{
    choice{"two_point", "central differences: 2q forwards",
           [](const composition& c) { return zoft::two_point{.epsilon = c.epsilon, .queries = c.queries}; },
           [](const composition& c) { return "zoft::two_point{" + detail::radius_and_queries(c) + "}"; }},
    choice{"one_sided", "forward differences from one base: q + 1 forwards",
           [](const composition& c) { return zoft::one_sided{.epsilon = c.epsilon, .queries = c.queries}; },
           [](const composition& c) { return "zoft::one_sided{" + detail::radius_and_queries(c) + "}"; }},
    choice{"leave_one_out", "each loss against the mean of the others: q forwards, q at least 2",
           [](const composition& c) { return zoft::leave_one_out{.epsilon = c.epsilon, .queries = c.queries}; },
           [](const composition& c) { return "zoft::leave_one_out{" + detail::radius_and_queries(c) + "}"; }},
    choice{"residual", "each loss against that of the step before: 1 forward, q is 1",
           [](const composition& c) { return zoft::residual{.epsilon = c.epsilon}; },
           [](const composition& c) { return "zoft::residual{" + detail::radius(c) + "}"; }},
    choice{"kernel", "central differences at random radii, free of third derivatives: 2q forwards",
           [](const composition& c) { return zoft::kernel{.epsilon = c.epsilon, .queries = c.queries}; },
           [](const composition& c) { return "zoft::kernel{" + detail::radius_and_queries(c) + "}"; }},
    choice{"evolution", "a population of pairs, by their ranks: 2q forwards",
           [](const composition& c) { return zoft::evolution{.epsilon = c.epsilon, .queries = c.queries}; },
           [](const composition& c) { return "zoft::evolution{" + detail::radius_and_queries(c) + "}"; }},
    choice{"normalised", "central differences over their own spread: 2q forwards, q at least 2",
           [](const composition& c) {
             return zoft::normalised<zoft::two_point>{.of = {.epsilon = c.epsilon, .queries = c.queries}};
           },
           [](const composition& c) {
             return "zoft::normalised<zoft::two_point>{.of = {" + detail::radius_and_queries(c) + "}}";
           }},
    choice{"greedy", "the best of staying, the step and its reverse: 5 forwards, q is 1; with sgd",
           [](const composition& c) { return zoft::greedy{.epsilon = c.epsilon}; },
           [](const composition& c) { return "zoft::greedy{" + detail::radius(c) + "}"; }},
};

inline const std::tuple optimizers{
    choice{"sgd", "plain descent", [](const composition& c) { return zoft::sgd{.learning_rate = c.learning_rate}; },
           [](const composition& c) { return "zoft::sgd" + detail::rate(c); }},
    choice{"momentum", "the heavy ball, with β = 0.9",
           [](const composition& c) { return zoft::momentum{.learning_rate = c.learning_rate}; },
           [](const composition& c) { return "zoft::momentum" + detail::rate(c); }},
    choice{"adam", "a rate of its own for each parameter",
           [](const composition& c) { return zoft::adam{.learning_rate = c.learning_rate}; },
           [](const composition& c) { return "zoft::adam" + detail::rate(c); }},
    choice{"sign_of_slopes", "only the sign of each slope counts",
           [](const composition& c) { return zoft::sign_of_slopes{.learning_rate = c.learning_rate}; },
           [](const composition& c) { return "zoft::sign_of_slopes" + detail::rate(c); }},
    choice{"adaptive_scalar", "one rate, by the size of recent slopes",
           [](const composition& c) { return zoft::adaptive_scalar{.learning_rate = c.learning_rate}; },
           [](const composition& c) { return "zoft::adaptive_scalar" + detail::rate(c); }},
};

/// Calls f(choice) for each line of a table.
template <class Table, class F>
void for_each(const Table& table, F f) {
  std::apply([&](const auto&... one) { (f(one), ...); }, table);
}

/// A variant of what a table makes.
template <class Table>
struct variant_of;
template <class... Choice>
struct variant_of<std::tuple<Choice...>> {
  using type = std::variant<decltype(std::declval<const Choice&>().make(std::declval<const composition&>()))...>;
};

/// What the line of that name makes. Throws std::invalid_argument if there is none.
template <class Table>
auto made(const Table& table, std::string_view name, const composition& c) {
  using result = typename variant_of<std::remove_const_t<Table>>::type;
  std::vector<result> found;
  for_each(table, [&](const auto& one) {
    if (name == one.name) found.push_back(one.make(c));
  });
  if (found.empty()) zoft::fail("playground: there is no " + std::string(name));
  return found.front();
}
/// How it is written.
template <class Table>
std::string written(const Table& table, std::string_view name, const composition& c) {
  std::string found;
  for_each(table, [&](const auto& one) {
    if (name == one.name) found = one.write(c);
  });
  return found;
}

/// One of `samplers`.
struct any_sampler {
  variant_of<std::remove_const_t<decltype(samplers)>>::type of;

  template <zoft::number T>
  void axpy(std::span<T> x, zoft::arithmetic_t<T> a, zoft::direction d, std::uint64_t first = 0) const {
    std::visit([&](const auto& one) { one.axpy(x, a, d, first); }, of);
  }
};

/// One of `optimizers`. The rate is here, where autotune finds it.
struct any_optimizer {
  variant_of<std::remove_const_t<decltype(optimizers)>>::type of;
  double learning_rate;

  bool is_plain() const { return std::holds_alternative<zoft::sgd>(of); }

  void check() const {
    std::visit([&](auto one) { (one.learning_rate = learning_rate, one.check()); }, of);
  }
  double rate(std::uint32_t) const { return learning_rate; }

  template <zoft::number T>
  void start(std::span<const T> x, const zoft::layout& shape) {
    std::visit(
        [&](auto& one) {
          if constexpr (requires { one.template start<T>(x, shape); }) one.template start<T>(x, shape);
        },
        of);
  }
  void adapt(std::span<double> c) {
    std::visit(
        [&](auto& one) {
          if constexpr (requires { one.adapt(c); }) one.adapt(c);
        },
        of);
  }
  template <zoft::number T>
  void apply(std::span<T> x, std::span<zoft::arithmetic_t<T>> g, const zoft::update::piece& p) {
    std::visit([&](auto& one) { one.template apply<T>(x, g, p); }, of);
  }
};

/// One of `estimators`. ε is here, where autotune finds it.
struct any_estimator {
  variant_of<std::remove_const_t<decltype(estimators)>>::type of;
  double epsilon;
  std::size_t queries;

  any_estimator(decltype(of) one, double radius)
      : of(std::move(one)),
        epsilon(radius),
        queries(std::visit([](const auto& e) { return std::size_t{e.queries}; }, of)) {}

  void check() const {
    std::visit([&](auto one) { (zoft::tuning::radiused(one).epsilon = epsilon, one.check()); }, of);
  }
  void check(const any_optimizer& o) const {
    zoft::require(!std::holds_alternative<zoft::greedy>(of) || o.is_plain(),
                  "greedy compares points of plain descent: its optimizer must be sgd");
  }
  std::size_t evaluations() const {
    return std::visit([](const auto& one) { return one.evaluations(); }, of);
  }
  std::size_t ready(const zoft::step_view& view) const {
    return std::visit([&](const auto& one) { return zoft::estimation::ready(one, view); }, of);
  }
  zoft::point at(std::size_t i, const zoft::step_view& view) const {
    return std::visit(
        [&](auto one) { return (zoft::tuning::radiused(one).epsilon = epsilon, zoft::estimation::at(one, i, view)); },
        of);
  }
  void coefficients(const zoft::step_view& view, std::span<double> c) {
    std::visit(
        [&](auto& one) {
          (zoft::tuning::radiused(one).epsilon = epsilon, zoft::estimation::coefficients(one, view, c));
        },
        of);
  }
};

using any_engine = zoft::engine<any_sampler, any_estimator, zoft::full, any_optimizer>;

/// Throws std::invalid_argument if a name is unknown, or an option out of range.
inline any_engine engine_of(const composition& c) {
  return {any_sampler{made(samplers, c.sampler, c)}, any_estimator(made(estimators, c.estimator, c), c.epsilon),
          zoft::full{}, any_optimizer{made(optimizers, c.optimizer, c), c.learning_rate}, zoft::seed{c.seed}};
}

/// The same in C++.
inline std::string program_of(const composition& c) {
  return "zoft::engine tuner{" + written(samplers, c.sampler, c) + ", " + written(estimators, c.estimator, c) +
         ", zoft::full{}, " + written(optimizers, c.optimizer, c) + ", zoft::seed{" + zoft::text(c.seed) + "}};";
}

}  // namespace playground
