#pragma once

#include "../engine/directions/low_rank_basis.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = √(mk)/r · U Z Vᵀ for each matrix (m, k): U (m, r) and V (k, r) with orthonormal columns, of the step at which
/// the interval of the direction's step began; Z (r, r) gaussian, anew for each direction. Vectors get dense gaussians.
/// E ‖z‖² = mk, and over all U and V E zzᵀ = I; while they are kept, E (zᵀg)z = mk/r²·UUᵀgVVᵀ. Where the layout is left
/// empty, it is that of the parameters.
///
/// Yu et al. 2024, "Zeroth-order fine-tuning of LLMs in random subspaces" (SubZero), arXiv:2410.08989.
struct subspace {
  zoft::layout layout = {};
  std::size_t rank = 24;          ///< r ≥ 1, at most m and k of each matrix
  std::uint32_t interval = 1000;  ///< T₀ ≥ 1, steps that U and V are kept for

  void check() const {
    low_rank_parts::check("subspace", layout, rank, interval);
    for (const tensor& t : layout) low_rank_parts::check_columns("subspace", t, std::min(t.rows, t.columns), rank);
  }

  /// Called before the first step.
  void start(std::size_t size, const zoft::layout& shape) { low_rank_parts::start("subspace", layout, size, shape); }

  zoft::layout core() const { return low_rank_parts::core<core_shape::square>(layout, rank); }

  template <number A>
  void core_axpy(std::span<A> y, std::type_identity_t<A> a, direction d) const {
    low_rank_parts::core_axpy<core_shape::square>(layout, rank, y, a, d);
  }

  auto basis(direction d) const {
    check();
    const direction of_interval{d.seed, d.step / interval * interval, 0};
    return low_rank_basis<core_shape::square, true>(layout, rank, of_interval, of_interval, [this](const tensor& t) {
      return std::sqrt(static_cast<double>(t.size())) / static_cast<double>(rank);
    });
  }

  bool renewed(std::uint32_t step) const { return step % interval == 0; }

  /// z(d), which refers to this sampler. Throws std::invalid_argument where an option is out of its range.
  auto at(direction d) const { return low_rank_direction<core_shape::square, true>(basis(d), d); }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy, and of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
