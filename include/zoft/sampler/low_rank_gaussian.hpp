#pragma once

#include "../engine/directions/low_rank_basis.hpp"

namespace zoft::inline ZOFT_ISA {

/// The factor s in z = s·UVᵀ.
enum class low_rank_scaling {
  one_over_rank,  ///< 1/r: E (zᵀg)z = g/r on matrices
  unbiased,       ///< 1/√r: E zzᵀ = I, so E (zᵀg)z = g
};

/// z = s·UVᵀ for each matrix (m, k). U (m, r) is gaussian and new for each direction. V (k, r) is gaussian too, drawn
/// at the first step of each interval and shared by all queries until the next. Vectors get dense gaussians. If the
/// layout is empty, `start` takes that of the parameters.
///
/// LOZO perturbs by UVᵀ and applies UVᵀ/r, which is unbiased. For its points and its update with s = 1/r, use ε·r and
/// η·r: c = (L(θ + εr·z) − L(θ − εr·z))/2εr is then 1/r of LOZO's slope, and ηr·c·z is exactly its step. With s = 1/√r,
/// use ε·√r and η. Chen et al. 2024, "Enhancing zeroth-order fine-tuning for language models with low-rank structures",
/// arXiv:2410.07698.
///
/// Orthonormal: V = √k·Q instead of a gaussian V. Q (k, r), r ≤ k, has orthonormal columns and is uniform among all
/// such matrices. E zzᵀ stays the same.
template <bool Orthonormal>
struct low_rank_rows {
  zoft::layout layout = {};                                    ///< of the parameters
  std::size_t rank = 2;                                        ///< r ≥ 1
  std::uint32_t interval = 50;                                 ///< ν ≥ 1, steps before V is drawn again
  low_rank_scaling scaling = low_rank_scaling::one_over_rank;  ///< s

  /// As errors have it.
  static constexpr const char* name = Orthonormal ? "low_rank_orthonormal" : "low_rank_gaussian";

  void check() const {
    low_rank_parts::check(name, layout, rank, interval);
    if constexpr (Orthonormal)
      for (const tensor& t : layout) low_rank_parts::check_columns(name, t, t.columns, rank);
  }

  /// Called before the first step.
  void start(std::size_t size, const zoft::layout& shape) { low_rank_parts::start(name, layout, size, shape); }

  zoft::layout core() const { return low_rank_parts::core<core_shape::rows>(layout, rank); }

  template <number A>
  void core_axpy(std::span<A> y, std::type_identity_t<A> a, direction d) const {
    low_rank_parts::core_axpy<core_shape::rows>(layout, rank, y, a, d);
  }

  auto basis(direction d) const {
    check();
    const auto r = static_cast<double>(rank);
    const double s = scaling == low_rank_scaling::unbiased ? 1 / std::sqrt(r) : 1 / r;
    return low_rank_basis<core_shape::rows, Orthonormal>(
        layout, rank, {}, {d.seed, d.step / interval * interval, 0},
        [s](const tensor& t) { return Orthonormal ? s * std::sqrt(static_cast<double>(t.columns)) : s; });
  }

  bool renewed(std::uint32_t step) const { return step % interval == 0; }

  /// z(d), which refers to this sampler. Throws std::invalid_argument if an option is out of range.
  auto at(direction d) const { return low_rank_direction<core_shape::rows, Orthonormal>(basis(d), d); }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy, plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

/// V is gaussian.
using low_rank_gaussian = low_rank_rows<false>;
/// V has orthonormal columns.
using low_rank_orthonormal = low_rank_rows<true>;

}  // namespace zoft::inline ZOFT_ISA
