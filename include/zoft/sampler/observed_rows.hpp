#pragma once

#include <memory>
#include <utility>

#include "../engine/directions/low_rank_parts.hpp"
#include "../engine/directions/observed_factors.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = s·Σⱼ uⱼxⱼᵀ for each linear y = xWᵀ that the functor shows, over r rows xⱼ of what the linear was given at θ. The
/// gradient of W is Σ δₜxₜᵀ over all rows t, with δ = ∂L/∂y, so no direction outside the span of x is ever of use.
///
///     uⱼ  is what the functor knows of δⱼ (guided); where it knows nothing, or with guided = false, gaussian
///     s   makes rms(xzᵀ) = rms(y)/N over these rows, with N linears that are shown: η and ε are
///         relative changes of outputs, in all linears together
///
/// Rows are drawn without replacement, so the directions of one example share none. Parameters that are not shown rest,
/// and so does a linear whose outputs are all 0: do not begin with weights of 0. What is shown must be a matrix of the
/// layout, by its name and in its shape, with rows filled in; otherwise the step throws std::invalid_argument.
///
/// With a basis, z = RAᵀ instead, as AGZO has it: R (m, r) is gaussian and new for each direction, A (k, r) is
/// orthonormal, the first r principal directions of all rows that were shown, and the same for all directions. z is not
/// scaled.
///
/// z is a pure function of the seed, the step, the query, and of the batch at θ: to make it again, show the same again.
/// Whatever u is, its slope is measured. A wrong u costs variance, and never sends a step uphill on average.
///
/// Inputs as right factors: Lin et al. 2026, arXiv:2601.17261 (AGZO).
/// Surrogate gradients as directions: Maheswaranathan et al. 2018, arXiv:1806.10230.
struct observed_rows {
  zoft::layout layout = {};    ///< of the parameters
  std::size_t rank = 16;       ///< rows that are shown for each direction, ≥ 1; without a basis that is r
  bool guided = true;          ///< whether left factors are what the forward tells of gradients
  std::size_t basis = 0;       ///< r of a basis; 0: there is none
  std::size_t iterations = 3;  ///< power iterations that make the basis, ≥ 1
  std::shared_ptr<const observed_factors> seen = {};  ///< of the step in progress: the engine has it made

  void check() const {
    require(rank >= 1, "observed_rows", "rank", 0, "at least 1");
    require(iterations >= 1, "observed_rows", "iterations", 0, "at least 1");
  }

  /// Called before the first step.
  void start(std::size_t size, const zoft::layout& shape) {
    check();
    low_rank_parts::start("observed_rows", layout, size, shape);
  }

  std::size_t rows() const { return rank; }  ///< how many rows of the functor's a direction needs

  /// Called in each step, once the losses at θ are known.
  void observe(observations shown) {
    seen =
        std::make_shared<const observed_factors>(layout, std::move(shown), observed_shape{guided, basis, iterations});
  }
  /// Called when the step has ended.
  void forget() { seen = nullptr; }

  /// z(d) of the step that was observed. Before that, it is 0.
  observed_direction at(direction d) const { return {seen, d.query, layout.size()}; }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }
};

}  // namespace zoft::inline ZOFT_ISA
