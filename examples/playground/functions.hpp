/// Functions of two numbers, and runs on them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <zoft/core/report.hpp>

#include "choices.hpp"

namespace playground {

using place = std::array<double, 2>;

/// A function, and where to look at it.
struct landscape {
  const char* name;
  const char* title;
  const char* formula;
  const char* about;
  double (*value)(double x, double y);
  place lower, upper;         ///< of what is drawn
  place start;                ///< of a run
  double epsilon;             ///< that can be seen in the picture
  std::vector<place> minima;  ///< where it is least
  double least;               ///< its value there
};

/// All there are. They need no more than sums, products, quotients and roundings, so that their values are the same on
/// every machine.
std::span<const landscape> landscapes();
/// Throws std::invalid_argument if there is none of that name.
const landscape& landscape_of(std::string_view name);

/// A published method as a composition.
struct method {
  const char *name, *sampler, *estimator, *optimizer;
  std::size_t queries;  ///< 0: any
};
std::span<const method> methods();

/// A point that was evaluated.
struct probe {
  place at;
  double loss;
};

/// A run on a landscape.
class walk {
 public:
  /// `noise` is the standard deviation of what is added to each value. Throws std::invalid_argument if an option is out
  /// of range.
  walk(const landscape& of, const composition& c, place start, double noise);

  zoft::step_report step();  ///< one step, and what it evaluated
  /// Measures η here, and ε too unless it is to be kept. Returns how.
  std::string tune(bool keep_epsilon);
  std::string minimize(std::size_t evaluations);  ///< goes on by zoft::minimize, which needs no composition

  const place& at() const { return x_; }
  double loss() const { return of_->value(x_[0], x_[1]); }   ///< there, without noise
  std::span<const probe> probes() const { return probes_; }  ///< of the last call
  std::size_t evaluations() const { return evaluations_; }   ///< of the run
  void set(double epsilon, double learning_rate);            ///< between steps; the next one checks them
  double epsilon() const { return engine_.estimator().epsilon; }
  double learning_rate() const { return engine_.optimizer().learning_rate; }

 private:
  double value(double x, double y);

  const landscape* of_;
  any_engine engine_;
  place x_;
  double noise_;
  std::uint64_t seed_;
  std::uint32_t drawn_ = 0;  // values, of which each has noise of its own
  std::size_t evaluations_ = 0;
  std::vector<probe> probes_;
};

/// All names, with what the page shows of them, as JSON.
std::string catalogue();

}  // namespace playground
