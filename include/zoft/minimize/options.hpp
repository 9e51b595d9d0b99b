/// What minimize is told, and what it reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "../autotune.hpp"
#include "../core/report.hpp"
#include "../core/schedule.hpp"

namespace zoft::inline ZOFT_ISA {

/// All of these can be left out. A run ends at the first limit that it meets. If none of steps, evaluations and seconds
/// is given, it may take 10,000 + 100·n evaluations for n numbers.
struct minimize_options {
  std::uint32_t steps = 0;                   ///< the most updates; 0: as many as the other limits allow
  std::optional<double> learning_rate = {};  ///< η; if left out, it is measured, and follows what steps bring
  std::optional<double> epsilon = {};        ///< smoothing radius ε > 0, in units of x/scale; or measured
  std::size_t queries = 1;                   ///< directions a step, q ≥ 1
  zoft::schedule schedule = {};              ///< η over the run
  std::uint64_t seed = 0;                    ///< names the run: same seed, same bits
  double tolerance = 0;  ///< ends when the last max(200, 10·n/q) steps brought at most this share of all that was won
  std::size_t evaluations = 0;  ///< the most values of f, ≥ 100 + 100·q, or ≥ 3 if η and ε are given; 0: no limit
  double seconds = 0;           ///< the most time; 0: no limit. A run with one is not repeatable
  double target = -std::numeric_limits<double>::infinity();  ///< ends when the loss is at most this
  std::vector<double> lower = {};  ///< f is never evaluated below these: empty, one number for all, or n
  std::vector<double> upper = {};  ///< the same for above
  std::vector<double> scale = {};  ///< by how much each xᵢ is to move where others move by theirs: empty, or n
  std::function<bool(const step_report&)> on_step = {};  ///< called after each step; the run ends if it returns false
  bool history = false;                                  ///< whether the report has the loss over the run
  bool progress = false;                                 ///< whether to print a line to stderr now and then
};

/// Why a run of minimize ended.
enum class stop {
  steps,
  evaluations,
  seconds,
  tolerance,
  target,
  on_step,
  stalled,  ///< 25 times in a row the run went back to its best point and halved the rate
};

/// What a run of minimize came to.
struct report {
  /// The loss where the run was after so many evaluations.
  struct point {
    std::size_t evaluations = 0;  ///< so far
    double loss = 0;              ///< there
  };

  double loss = 0;              ///< at the x that is returned; if f is noisy, a mean
  double initial_loss = 0;      ///< at the start; if f is noisy, a mean
  std::size_t evaluations = 0;  ///< of f in all
  std::uint32_t steps = 0;      ///< updates made or rejected
  std::size_t not_finite = 0;   ///< of the evaluations. Each counts as a loss somewhat above those around it
  std::size_t taken_back = 0;   ///< how often the run went back to its best point, because it was far above it
  double learning_rate = 0;     ///< η at the end, before the schedule's factor
  double epsilon = 0;           ///< ε at the end
  double noise = 0;             ///< standard deviation of f at one x; 0 if none was seen
  zoft::status status = zoft::status::ok;     ///< ok: the loss is lower than at the start, by more than 3 deviations of
                                              ///< what noise may do; otherwise no_improvement
  zoft::stop stopped_by = zoft::stop::steps;  ///< why the run ended
  std::optional<autotune_report> tuning = {};  ///< if ε or η was measured
  std::vector<point> history = {};             ///< if asked for

  /// The report in a few plain lines, why the run ended first.
  std::string why() const;
};

inline std::string report::why() const {
  using tuning::brief;
  std::string s = "ended after " + text(steps) + " steps and " + text(evaluations) + " evaluations, as ";
  switch (stopped_by) {
    case stop::steps:
      s += "these are all the steps that were allowed";
      break;
    case stop::evaluations:
      s += "another step would be beyond the evaluations that were allowed";
      break;
    case stop::seconds:
      s += "the time is over";
      break;
    case stop::tolerance:
      s += "the loss fell no more than the tolerance";
      break;
    case stop::target:
      s += "the target is reached";
      break;
    case stop::on_step:
      s += "on_step returned false";
      break;
    case stop::stalled:
      s += "no step with this epsilon lowers the loss any more, however small its rate";
      break;
  }
  s += "\nloss: " + brief(initial_loss) + " at the start, " + brief(loss) + " at the end";
  if (status != zoft::status::ok) s += noise > 0 ? ", which its noise explains" : "";
  s += "\nnoise: " + (noise > 0 ? brief(noise) : "none was seen");
  s += "\nlearning_rate: " + brief(learning_rate) + " at the end, epsilon: " + brief(epsilon);
  if (not_finite > 0) s += "\n" + text(not_finite) + " values of f were not finite";
  if (taken_back > 0) s += "\n" + text(taken_back) + " times the run went back to its best point, and halved the rate";
  if (this->tuning) s += "\nmeasured at the start:\n" + this->tuning->why();
  return s + "\n";
}

}  // namespace zoft::inline ZOFT_ISA
