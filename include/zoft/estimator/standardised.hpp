#pragma once

#include <cstddef>
#include <span>

#include "../engine/estimation/estimation.hpp"
#include "../engine/estimation/spread.hpp"

namespace zoft::inline ZOFT_ISA {

/// Whether standardised differences are also divided by ε.
enum class standardisation {
  published,  ///< as in FZOO's paper: ĝ ≈ ∇L/(ε·|∇L|)
  released,   ///< as in its released program: ĝ ≈ ∇L/|∇L|, which is ε times the other
};

/// Forward differences along q random directions, in units of the losses' own standard deviation:
///
///     cᵢ = (lᵢ − l₀) / σqε  or  / σq        l₀ = L(θ), lᵢ = L(θ + εzᵢ)        q + 1 forwards
///     σ² = Σ (lᵢ − l̄)²/(q − 1)
///
/// For small ε, σ² is ε²|∇L|² on average over z of unit variance, so steps are those of normalised descent. The two
/// forms differ by a factor ε that the rate must make up for. If all lᵢ are equal, their scale is unknown and all cᵢ
/// are 0. Dang et al. 2025, arXiv:2506.09034 (FZOO), with random signs for z.
struct standardised {
  double epsilon = 1e-3;                              ///< smoothing radius ε > 0, in units of the parameters
  std::size_t queries = 8;                            ///< directions a step, q ≥ 2
  zoft::schedule radius = {};                         ///< ε over the run
  standardisation form = standardisation::published;  ///< by σqε or by σq

  void check() const {
    estimation::check("standardised", epsilon, radius);
    estimation::check("standardised", queries, 2);
  }

  std::size_t evaluations() const { return queries + 1; }

  /// θ first, then θ + εzᵢ.
  point at(std::size_t i, const step_view& view = {}) const {
    return i == 0 ? point{} : point{i - 1, estimation::radius(*this, view)};
  }

  /// losses (q + 1) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    const double deviation = estimation::spread(view.losses.subspan(1)).of_sample();
    const double unit = form == standardisation::published ? estimation::radius(*this, view) : 1.0;
    for (std::size_t i = 0; i < queries; ++i)
      c[i] = deviation > 0 ? (view.losses[i + 1] - view.losses[0]) / deviation / (unit * static_cast<double>(queries))
                           : 0.0;
  }
};

}  // namespace zoft::inline ZOFT_ISA
