#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "../concepts.hpp"
#include "../engine/estimation/estimation.hpp"
#include "two_point.hpp"

namespace zoft::inline ZOFT_ISA {

/// Directions of its own for each of a batch's B examples, in the forwards of one example's directions:
///
///     ĝ = 1/B Σ_b ĝ_b        ĝ_b = Σₖ c_{b,k} z_{b,k}, as the estimator `each` makes it of example b's own losses
///
/// A batch's gradient is the mean of its examples', so B·q directions cost what `each` asks for q of them. Where the
/// examples' gradients are g_b, two_point's variance is that of B·q directions of length ‖g_b‖, against q of length
/// ‖g‖: it is the less the better examples agree, up to B times. The functor evaluates candidate i on example i mod B
/// alone, by a loss whose mean over the examples is the batch's; a limit of candidates a call must be a multiple of B.
///
/// Wen et al. 2018, arXiv:1803.04386, for perturbations of each example; Tan et al. 2026, arXiv:2606.02857, for
/// two_point with q = 1, divided by its spread (see standardised_per_example).
template <class Each = two_point>
struct per_example {
  static_assert(
      stateless_estimator<Each>,
      "an estimator of examples must keep nothing of one step for the next, as the examples change, and know all its "
      "points before the losses");

  Each each = {};                                 ///< of one example
  std::size_t examples = 16;                      ///< of a batch, B ≥ 1
  std::size_t queries = examples * each.queries;  ///< directions a step: B·q, which follows from the two above

  void check() const {
    each.check();
    if (examples < 1) refuse("per_example", "examples", text(examples), "at least 1");
    if (queries != examples * each.queries)
      refuse("per_example", "queries", text(queries), "examples times those of each, " + text(examples * each.queries));
  }

  std::size_t evaluations() const { return examples * each.evaluations(); }
  std::size_t forwards() const { return each.evaluations(); }

  /// Point i of `each` for all examples, and then point i + 1. Direction k of example b is query k·B + b.
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
