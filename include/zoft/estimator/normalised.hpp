#pragma once

#include <cstddef>
#include <span>

#include "../concepts.hpp"
#include "../engine/estimation/estimation.hpp"
#include "../engine/estimation/spread.hpp"

namespace zoft::inline ZOFT_ISA {

/// Another estimator's ĝ, divided by the spread of its slopes:
///
///     cᵢ ← cᵢ / (qσ + s)        σ² = Σ (cᵢ − c̄)²/q, over its q coefficients        no more forwards
///
/// or, if `uncentred`, σ² = Σ cᵢ²/q.
///
/// With cᵢ = (zᵢᵀg)/q, qσ is the standard deviation of the slopes, which is |g| for z of unit variance. Steps are then
/// those of normalised descent: neither the losses' scale nor their curvature makes them longer. Steps do not shrink by
/// themselves, so the learning rate should fall over the run.
template <class Of>
struct normalised {
  static_assert(
      stateless_estimator<Of>,
      "an estimator that is normalised must keep nothing of one step for the next, and know all its points before "
      "the losses");

  Of of = {};                        ///< the estimator whose coefficients are divided
  double stabiliser = 1e-8;          ///< s > 0, in units of slopes
  bool uncentred = false;            ///< for slopes that share a sign: their deviation may be far less than they are,
                                     ///< and a step divided by it far too long
  std::size_t queries = of.queries;  ///< directions a step, q ≥ 2: as many as `of` has

  void check() const {
    of.check();
    estimation::check("normalised", queries, 2);
    if (queries != of.queries)
      refuse("normalised", "queries", text(queries), "those of what is normalised, " + text(of.queries));
    require(stabiliser > 0 && stabiliser < 1e300, "normalised", "stabiliser", stabiliser, "above 0");
  }

  std::size_t evaluations() const { return of.evaluations(); }
  std::size_t forwards() const requires requires(const Of& e) { e.forwards(); }
  { return of.forwards(); }
  std::size_t batch_size() const requires estimator_of_examples<Of> { return of.batch_size(); }

  point at(std::size_t i, const step_view& view = {}) const { return estimation::at(of, i, view); }

  /// losses (evaluations) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    of.coefficients(view, c);
    const double spread = uncentred ? estimation::root_mean_square(c) : estimation::spread(c).of_population();
    const double unit = spread * static_cast<double>(queries) + stabiliser;
    for (double& value : c) value /= unit;
  }
};

}  // namespace zoft::inline ZOFT_ISA
