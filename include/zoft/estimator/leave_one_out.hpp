#pragma once

#include <cstddef>
#include <span>

#include "../engine/estimation/estimation.hpp"
#include "../engine/estimation/spread.hpp"

namespace zoft::inline ZOFT_ISA {

/// Losses at q random points, each compared with the mean of the others:
///
///     lᵢ = L(θ + εzᵢ)    cᵢ = (lᵢ − Σ_{j≠i} lⱼ/(q − 1)) / εq = (lᵢ − l̄) / ε(q − 1)        q forwards
///
/// The mean of the others is independent of zᵢ, so the expectation is the gradient of the smoothed loss E L(θ + εz), as
/// for two_point. (With l̄ itself and 1/εq it would be (q − 1)/q of that.) Curvature adds to the variance, in proportion
/// to ε². Salimans et al. 2017, arXiv:1703.03864, use it as a baseline; Kool, van Hoof and Welling 2019, "Buy 4
/// REINFORCE samples, get a baseline for free!".
struct leave_one_out {
  double epsilon = 1e-3;       ///< smoothing radius ε > 0, in units of the parameters
  std::size_t queries = 2;     ///< directions a step, q ≥ 2
  zoft::schedule radius = {};  ///< ε over the run

  void check() const {
    estimation::check("leave_one_out", epsilon, radius);
    estimation::check("leave_one_out", queries, 2);
  }

  std::size_t evaluations() const { return queries; }

  /// θ + εzᵢ
  point at(std::size_t i, const step_view& view = {}) const { return {i, estimation::radius(*this, view)}; }

  /// losses (q) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    const double mean = estimation::spread(view.losses).mean;
    const double width = estimation::radius(*this, view) * static_cast<double>(queries - 1);
    for (std::size_t i = 0; i < queries; ++i) c[i] = (view.losses[i] - mean) / width;
  }
};

}  // namespace zoft::inline ZOFT_ISA
