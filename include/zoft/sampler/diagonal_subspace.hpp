#pragma once

#include "../engine/directions/low_rank_basis.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = U diag(τ) Vᵀ for each matrix (m, k). U (m, r) and V (k, r) are gaussian and stay the same for the whole run; τ
/// (r) is gaussian and new for each direction. Vectors get dense gaussians. With columns uⱼ of U and vⱼ of V, E (zᵀg)z
/// = Σⱼ (uⱼᵀgvⱼ)·uⱼvⱼᵀ, which averages to r·g over all U and V. If the layout is empty, `start` takes that of the
/// parameters.
///
/// Sun et al. 2025, "TeZO: Empowering the low-rankness on the temporal dimension in the zeroth-order optimization for
/// fine-tuning LLMs", arXiv:2501.19057.
struct diagonal_subspace {
  zoft::layout layout = {};  ///< of the parameters
  std::size_t rank = 24;     ///< r ≥ 1

  /// Called before the first step.
  void start(std::size_t size, const zoft::layout& shape) {
    low_rank_parts::start("diagonal_subspace", layout, size, shape);
  }

  zoft::layout core() const { return low_rank_parts::core<core_shape::diagonal>(layout, rank); }

  template <number A>
  void core_axpy(std::span<A> y, std::type_identity_t<A> a, direction d) const {
    low_rank_parts::core_axpy<core_shape::diagonal>(layout, rank, y, a, d);
  }

  auto basis(direction d) const {
    low_rank_parts::check("diagonal_subspace", layout, rank);
    const direction of_run{d.seed, 0, 0};
    return low_rank_basis<core_shape::diagonal, false>(layout, rank, of_run, of_run, [](const tensor&) { return 1.0; });
  }

  bool renewed(std::uint32_t) const { return false; }

  /// z(d), which refers to this sampler. Throws std::invalid_argument if an option is out of range.
  auto at(direction d) const { return low_rank_direction<core_shape::diagonal, false>(basis(d), d); }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy, plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
