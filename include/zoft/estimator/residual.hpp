#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "../engine/estimation/estimation.hpp"

namespace zoft::inline ZOFT_ISA {

/// One loss per step, compared with that of the step before (one-point residual feedback):
///
///     c = (l − l′) / ε,    l = L(θ + εz), l′ the loss of the last step that was applied        1 forward
///
/// The first step has nothing to compare with, so its c is 0. z is independent of l′, so the expectation is the
/// gradient of the smoothed loss, as for two_point. l′ is from another point and along another direction, so the
/// variance is larger; it falls as steps become shorter. If steps use different batches, the difference between their
/// losses counts too. Zhang, Zhou, Ji and Zavlanos 2020, arXiv:2006.10820.
struct residual {
  double epsilon = 1e-3;                     ///< smoothing radius ε > 0, in units of the parameters
  zoft::schedule radius = {};                ///< ε over the run
  std::optional<double> before = {};         ///< l′; none before the first step
  static constexpr std::size_t queries = 1;  ///< directions a step

  void check() const { estimation::check("residual", epsilon, radius); }

  template <class F>
  void each_state(F f) {
    f(before);
  }

  std::size_t evaluations() const { return 1; }

  /// θ + εz
  point at(std::size_t, const step_view& view = {}) const { return {0, estimation::radius(*this, view)}; }

  /// losses (1) -> coefficients (1). Remembers the loss.
  void coefficients(const step_view& view, std::span<double> c) {
    const double loss = view.losses[0];
    c[0] = (loss - before.value_or(loss)) / estimation::radius(*this, view);
    before = loss;
  }
};

}  // namespace zoft::inline ZOFT_ISA
