#pragma once

#include "../engine/directions/low_rank_basis.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = √(mk)/r · U Z Vᵀ for each matrix (m, k). U (m, r) and V (k, r) have orthonormal columns and are drawn at the
/// first step of each interval; Z (r, r) is gaussian and new for each direction. Vectors get dense gaussians. E ‖z‖² =
/// mk, and E zzᵀ = I over all U and V; for fixed U and V, E (zᵀg)z = mk/r²·UUᵀgVVᵀ. If the layout is empty, `start`
/// takes that of the parameters.
///
/// Yu et al. 2024, "Zeroth-order fine-tuning of LLMs in random subspaces" (SubZero), arXiv:2410.08989.
struct subspace {
  zoft::layout layout = {};       ///< of the parameters
  std::size_t rank = 24;          ///< r ≥ 1, at most m and k of each matrix
  std::uint32_t interval = 1000;  ///< T₀ ≥ 1, steps before U and V are drawn again

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

  /// z(d), which refers to this sampler. Throws std::invalid_argument if an option is out of range.
  auto at(direction d) const { return low_rank_direction<core_shape::square, true>(basis(d), d); }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy, plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
