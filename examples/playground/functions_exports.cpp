// What the page calls of functions.hpp. Pointers that are returned are valid until the next call of the same name.
#include <emscripten.h>

#include <limits>
#include <optional>

#include "functions.hpp"
#include "told.hpp"

namespace {

using namespace playground;

std::optional<walk> run;
composition how;

/// θ, the loss there, evaluations, ε, η, how many were probed now, and of each where and what: x, y, loss.
const double* state() {
  static std::vector<double> numbers;
  numbers = {run->at()[0],
             run->at()[1],
             run->loss(),
             static_cast<double>(run->evaluations()),
             run->epsilon(),
             run->learning_rate(),
             static_cast<double>(run->probes().size())};
  for (const probe& p : run->probes()) numbers.insert(numbers.end(), {p.at[0], p.at[1], p.loss});
  return numbers.data();
}

}  // namespace

extern "C" {

EMSCRIPTEN_KEEPALIVE const char* functions_catalogue() { return told(catalogue); }

/// Values at the centres of rows × rows squares, from the upper left one on.
EMSCRIPTEN_KEEPALIVE const double* functions_grid(const char* name, int rows) {
  static std::vector<double> values;
  const landscape& f = landscape_of(name);
  values.clear();
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < rows; ++j)
      values.push_back(f.value(f.lower[0] + (f.upper[0] - f.lower[0]) * (j + 0.5) / rows,
                               f.upper[1] - (f.upper[1] - f.lower[1]) * (i + 0.5) / rows));
  return values.data();
}

/// Returns an error, or the program.
EMSCRIPTEN_KEEPALIVE const char* functions_begin(const char* name, const char* sampler, const char* estimator,
                                                 const char* optimizer, int queries, double epsilon,
                                                 double learning_rate, double seed, double x, double y, double noise) {
  return told([&] {
    how = {sampler,
           estimator,
           optimizer,
           static_cast<std::size_t>(queries),
           epsilon,
           learning_rate,
           static_cast<std::uint64_t>(seed)};
    run.emplace(landscape_of(name), how, place{x, y}, noise);
    return program_of(how);
  });
}

/// Sets ε and η, and returns the program.
EMSCRIPTEN_KEEPALIVE const char* functions_set(double epsilon, double learning_rate) {
  return told([&] {
    run->set(how.epsilon = epsilon, how.learning_rate = learning_rate);
    return program_of(how);
  });
}

EMSCRIPTEN_KEEPALIVE const double* functions_state() { return state(); }

/// Returns an error; "not_finite" if the step was not applied; or nothing.
EMSCRIPTEN_KEEPALIVE const char* functions_step() {
  return told([] { return std::string(run->step().status == zoft::status::ok ? "" : "not_finite"); });
}

EMSCRIPTEN_KEEPALIVE const char* functions_tune(int keep_epsilon) {
  return told([&] { return run->tune(keep_epsilon != 0); });
}

EMSCRIPTEN_KEEPALIVE const char* functions_minimize(int evaluations) {
  return told([&] { return run->minimize(static_cast<std::size_t>(evaluations)); });
}
}
