/// One run of one method on one problem, with a budget of forwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>
#include <zoft/core/candidates.hpp>
#include <zoft/core/dual.hpp>
#include <zoft/core/layout.hpp>
#include <zoft/core/observations.hpp>
#include <zoft/core/report.hpp>

namespace estimators {

/// What a method is given; all else is its own default.
struct settings {
  double epsilon = 0;
  double rate = 0;
  std::uint64_t seed = 0;
  std::size_t forwards = 0;  ///< the run's budget
  std::size_t examples = 0;  ///< of a batch; 0: the loss is no mean over such
  std::size_t rows = 16;     ///< of inputs, that an observed direction is made of
  zoft::layout shape;
};

using number = zoft::dual<double>;

/// A function of a buffer of doubles, with or without slopes.
struct objective {
  std::function<double(std::span<const double>)> value;
  std::function<number(std::span<const number>)> slope;
};

/// Losses of candidates: a model's, with a batch of the step; of all its examples, or candidate i's of example i mod B.
/// They also show what is asked for of the model at θ.
struct batch_losses {
  using function = std::function<void(zoft::candidates<float>, std::span<double>, zoft::observations&)>;
  function of_all, of_examples;
  std::function<void(std::uint32_t)> take_batch;  ///< the step's another: batch i of the data
};

/// An engine of any policies.
class tuner {
 public:
  virtual ~tuner() = default;
  virtual zoft::step_report step(std::span<double> x, const objective& f) = 0;

  /// Throws where the method needs more than losses.
  virtual zoft::step_report step(std::span<float> x, const batch_losses& f) = 0;
};

/// A method of the catalogue, by the name of its composition.
struct method {
  std::string name;
  bool exact_slopes;  ///< needs a function of dual numbers
  bool of_model;      ///< needs losses of each example, or inputs of linears
  bool autotuned;     ///< takes neither rate nor radius
  std::function<std::unique_ptr<tuner>(const settings&)> make;
};

/// Every method there is.
const std::vector<method>& catalogue();

/// The loss where the parameters stand, after so many forwards.
struct mark {
  std::size_t forwards;
  double loss;
};
using curve = std::vector<mark>;

/// A problem, made anew for each run: what it is given, and how far it has come.
class problem {
 public:
  virtual ~problem() = default;
  virtual zoft::layout shape() const = 0;
  virtual double loss() = 0;  ///< at the parameters; not counted as a forward
  virtual zoft::step_report step(tuner& t) = 0;
};

/// What is known of a problem before it is made.
struct problem_kind {
  std::string name;
  double epsilon;        ///< the radius of all methods
  std::size_t forwards;  ///< the budget
  bool slopes;           ///< whether exact slopes can be had
  std::size_t examples;  ///< of a batch; 0: the loss is no mean over such
  std::function<std::unique_ptr<problem>(std::uint64_t seed)> make;
  std::size_t rows = 16;  ///< of inputs, that an observed direction is made of
};

std::vector<problem_kind> functions();

/// A run until the budget is used up, with the loss at `marks` evenly spaced counts of forwards, the start included. A
/// run that leaves what is finite keeps its last finite loss, times a million.
curve run(const problem_kind& kind, const method& m, double rate, std::uint64_t seed, std::size_t marks);

}  // namespace estimators
