#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "../engine/estimation/estimation.hpp"
#include "../engine/estimation/spread.hpp"

namespace zoft::inline ZOFT_ISA {

/// What replaces the N losses of a population. Both kinds rise with the loss, since losses are minimised.
enum class fitness {
  z_score,       ///< (l − l̄)/σ, with σ² = Σ (l − l̄)²/N; all 0 if all losses are equal
  centred_rank,  ///< rank/(N − 1) − 1/2, the smallest loss has rank 0; equal losses share their mean rank
};

namespace estimation {

inline std::vector<double> z_scores(std::span<const double> losses) {
  const spread s(losses);
  std::vector<double> result(losses.size(), 0.0);
  if (const double deviation = s.of_population(); deviation > 0)
    for (std::size_t i = 0; i < losses.size(); ++i) result[i] = (losses[i] - s.mean) / deviation;
  return result;
}

inline std::vector<double> centred_ranks(std::span<const double> losses) {
  std::vector<std::size_t> order(losses.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return losses[a] < losses[b]; });
  std::vector<double> result(losses.size());
  for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
    while (end < order.size() && losses[order[end]] == losses[order[first]]) ++end;
    const double shared = static_cast<double>(first + end - 1) / 2;
    for (std::size_t i = first; i < end; ++i) result[order[i]] = shared / static_cast<double>(order.size() - 1) - 0.5;
  }
  return result;
}

}  // namespace estimation

/// Evolution strategies with N = 2q antithetic members, where each loss counts relative to the others:
///
///     cᵢ = (s(L(θ + εzᵢ)) − s(L(θ − εzᵢ))) / Nε        s: z-scores or centred ranks        N forwards
///
/// With s the identity it would be two_point. The length of ĝ does not depend on the losses' scale. With ranks, an
/// outlier counts no more than any other loss. Salimans et al. 2017, arXiv:1703.03864 (OpenES, centred ranks); Sarkar
/// et al. 2025, arXiv:2511.16652 (EGGROLL, z-scores, with directions of low rank).
struct evolution {
  double epsilon = 1e-2;       ///< smoothing radius ε > 0, in units of the parameters; the papers' σ
  std::size_t queries = 8;     ///< antithetic pairs, q ≥ 1: half the population
  zoft::schedule radius = {};  ///< ε over the run
  zoft::fitness fitness = zoft::fitness::centred_rank;  ///< what losses become

  void check() const {
    estimation::check("evolution", epsilon, radius);
    estimation::check("evolution", queries);
  }

  std::size_t evaluations() const { return 2 * queries; }

  /// The first q points are θ + εzᵢ, the last q are θ − εzᵢ.
  point at(std::size_t i, const step_view& view = {}) const {
    return estimation::antithetic(i, queries, estimation::radius(*this, view));
  }

  /// losses (2q) in the order of the points -> coefficients (q)
  void coefficients(const step_view& view, std::span<double> c) const {
    const std::vector<double> shaped =
        fitness == zoft::fitness::z_score ? estimation::z_scores(view.losses) : estimation::centred_ranks(view.losses);
    const double width = estimation::radius(*this, view) * static_cast<double>(2 * queries);
    for (std::size_t i = 0; i < queries; ++i) c[i] = (shaped[i] - shaped[queries + i]) / width;
  }
};

}  // namespace zoft::inline ZOFT_ISA
