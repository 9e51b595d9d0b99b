/// What is tuned, whatever its engine and its functor are: so that the search is compiled once for all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../core/report.hpp"

namespace zoft::inline ZOFT_ISA::tuning {

/// Whether each of the estimator's points has a mirror image, and how far from θ the furthest is, in units of ε.
struct stencil {
  bool central = true;
  double reach = 0;
};

/// The loss along directions from θ, the current parameters, and trial steps from there.
class subject {
 public:
  subject() = default;
  subject(const subject&) = delete;
  subject& operator=(const subject&) = delete;
  virtual ~subject() = default;

  virtual double epsilon() const = 0;        ///< as it was given
  virtual double learning_rate() const = 0;  ///< as it was given
  virtual std::size_t queries() const = 0;
  virtual stencil points() const = 0;
  virtual bool has_batches() const = 0;
  virtual double size() const = 0;          ///< rms of θ
  virtual double roundoff() const = 0;      ///< of the parameters' type, as tuning::roundoff
  virtual double least_normal() const = 0;  ///< the same, as tuning::least_normal

  /// So far; of a whole batch each, if losses are of examples.
  virtual std::size_t evaluations() const = 0;
  /// That a step takes.
  virtual std::size_t evaluations_of_a_step() const = 0;

  /// The losses at θ that `along` begins at: of the step's direction i, element i modulo their number.
  virtual std::vector<double> losses() = 0;
  /// φ(t) = L(θ + t·z), with z of step `step`, counted from the coming step. If losses are of examples, L is that of
  /// one example, as in the differences that a step is made of.
  virtual double along(std::uint32_t step, double t) = 0;
  /// rms of z's elements in the coming step. Elements that do not move count as 0.
  virtual double size_of_z() const = 0;

  /// Starts a trial from θ with this ε and η, and no schedule.
  virtual void begin(double epsilon, double rate) = 0;
  virtual step_report step() = 0;
  /// Makes the step that losses of slope ±`slope` along each direction would give. No loss is evaluated.
  virtual void step_of(double slope, double loss) = 0;
  /// rms of the distance that the trial has moved the parameters.
  virtual double moved_by() const = 0;
  /// The mean loss over `n` batches from `first` on; without batches, over n evaluations, which averages noise.
  virtual double loss(std::uint32_t first, int n) = 0;
};

}  // namespace zoft::inline ZOFT_ISA::tuning
