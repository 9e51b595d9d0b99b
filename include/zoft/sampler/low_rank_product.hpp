#pragma once

#include "../engine/directions/low_rank_basis.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = ABᵀ/√r for each matrix (m, k). A (m, r) and B (k, r) are gaussian and new for each direction, so a sum of enough
/// directions has full rank. Vectors get dense gaussians. E zzᵀ = I. If the layout is empty, `start` takes that of the
/// parameters. Sarkar et al. 2025, "Evolution strategies at the hyperscale" (EGGROLL), arXiv:2511.16652.
struct low_rank_product {
  zoft::layout layout = {};  ///< of the parameters
  std::size_t rank = 1;      ///< r ≥ 1

  /// Called before the first step.
  void start(std::size_t size, const zoft::layout& shape) {
    low_rank_parts::start("low_rank_product", layout, size, shape);
  }

  /// z(d), which refers to this sampler. Throws std::invalid_argument if an option is out of range.
  auto at(direction d) const {
    low_rank_parts::check("low_rank_product", layout, rank);
    const double s = 1 / std::sqrt(static_cast<double>(rank));
    return low_rank_direction<core_shape::rows, false>({layout, rank, {}, d, [s](const tensor&) { return s; }}, d);
  }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy, plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
