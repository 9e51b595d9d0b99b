// What the tests of estimators share: losses of a step, and coefficients of them.
#pragma once

#include <limits>
#include <zoft/concepts.hpp>

#include "core_support.hpp"

namespace core_test {

/// The coefficients that an estimator makes of a step's losses.
template <class E>
std::vector<double> coefficients_of(E& e, const std::vector<double>& losses, const zoft::step_view& view = {}) {
  std::vector<double> c(e.queries, std::numeric_limits<double>::quiet_NaN());
  zoft::estimation::coefficients(e, {view.name, view.rate, losses}, c);
  return c;
}
template <class E>
std::vector<double> coefficients_of(const E& e, const std::vector<double>& losses, const zoft::step_view& view = {}) {
  E copy = e;
  return coefficients_of(copy, losses, view);
}

/// What every estimator says of a radius that is out of range.
template <class E>
void check_messages_of_radius(const std::string& name) {
  CHECK(message([] { E{.epsilon = 0}.check(); }) == "zoft: " + name + ": epsilon is 0, and must be above 0");
  CHECK(message([] { E{.epsilon = std::numeric_limits<double>::quiet_NaN()}.check(); }) ==
        "zoft: " + name + ": epsilon is nan, and must be above 0");
  CHECK(message([] { E{.radius = {.power = -1}}.check(); }) == "zoft: schedule: power is -1, and must be at least 0");
  CHECK_NOTHROW(E{}.check());
}
template <class E>
void check_messages_of_queries(const std::string& name, std::size_t least) {
  CHECK(message([&] { E{.queries = least - 1}.check(); }) ==
        "zoft: " + name + ": queries is " + zoft::text(least - 1) + ", and must be at least " + zoft::text(least));
  CHECK_NOTHROW(E{.queries = least}.check());
}

}  // namespace core_test
