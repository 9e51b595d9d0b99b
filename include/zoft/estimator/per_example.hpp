#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "../concepts.hpp"
#include "../engine/estimation/estimation.hpp"
#include "two_point.hpp"

namespace zoft::inline ZOFT_ISA {

/// Each of a batch's B examples has its own directions, at the cost of one set of directions for the whole batch:
///
///     ĝ = 1/B Σ_b ĝ_b        ĝ_b = Σₖ c_{b,k} z_{b,k}, made by the estimator `each` from example b's own losses
///
/// A batch's gradient is the mean of its examples' gradients g_b, so B·q directions cost what `each` needs for q. With
/// two_point, the variance is that of B·q directions for gradients of length ‖g_b‖, against q for one of length ‖g‖.
/// The better the examples agree, the smaller it is: up to B times smaller.
///
/// The functor evaluates candidate i on example i mod B alone, with a loss whose mean over the examples is the batch's
/// loss, and says so by its type: void(candidates, zoft::example_losses), or double(std::span<const T>, zoft::example)
/// in place. A limit of candidates per call must be a multiple of B.
///
/// Perturbations per example: Wen et al. 2018, arXiv:1803.04386. With two_point, q = 1 and divided by its spread: Tan
/// et al. 2026, arXiv:2606.02857 (see standardised_per_example).
template <class Each = two_point>
struct per_example {
  static_assert(
      stateless_estimator<Each>,
      "an estimator of examples must keep nothing of one step for the next, as the examples change, and know all its "
      "points before the losses");

  Each each = {};                                 ///< the estimator of one example
  std::size_t examples = 16;                      ///< examples per batch, B ≥ 1
  std::size_t queries = examples * each.queries;  ///< directions a step: B·q, which follows from the two above

  void check() const {
    each.check();
    if (examples < 1) refuse("per_example", "examples", text(examples), "at least 1");
    if (queries != examples * each.queries)
      refuse("per_example", "queries", text(queries), "examples times those of each, " + text(examples * each.queries));
  }

  std::size_t evaluations() const { return examples * each.evaluations(); }  ///< losses, each of one example
  std::size_t forwards() const { return each.evaluations(); }                ///< of a whole batch: losses / B
  std::size_t batch_size() const { return examples; }

  /// Point 0 of `each` for all examples, then point 1, and so on. Direction k of example b is query k·B + b.
  point at(std::size_t i, const step_view& view = {}) const {
    point p = estimation::at(each, i / examples, view);
    p.query = p.query * examples + i % examples;
    return p;
  }

  /// losses (evaluations) in the order of the points -> coefficients (B·q)
  void coefficients(const step_view& view, std::span<double> c) const {
    std::vector<double> losses(each.evaluations()), own(each.queries);
    for (std::size_t b = 0; b < examples; ++b) {
      for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = view.losses[i * examples + b];
      each.coefficients({view.name, view.rate, losses}, own);
      for (std::size_t k = 0; k < own.size(); ++k) c[k * examples + b] = own[k] / static_cast<double>(examples);
    }
  }
};

}  // namespace zoft::inline ZOFT_ISA
