#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../concepts.hpp"
#include "../core/extent.hpp"
#include "../core/step_view.hpp"
#include "../engine/directions/at.hpp"
#include "../random/formed.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = z′/√H, where z′ comes from another sampler and H > 0 is a diagonal learnt from the curvatures κ along z:
///
///     H ← (1 − s)H + s · mean over queries of (|κᵢ|/2) · H ⊙ z′ᵢ²        from H = 1
///
/// so that E ĝ is H⁻¹∇L. H is dense, in float, and covers all trained parameters; each entry stays within
/// [lowest, highest]. Zhao et al. 2024, arXiv:2402.15173 (HiZOO).
///
/// For a diagonal Hessian h ≥ 0 and gaussian z′, the average is hⱼ + Hⱼ·(Σ hᵢ/Hᵢ)/2. The second part is the same
/// fraction of every Hⱼ and about n/2 times the first, so H tends to (n + 2)/2 times h. The rate must make up for this
/// factor.
template <class Sampler>
struct preconditioned {
  static_assert(stateless_sampler<Sampler>, "preconditioned is made of a sampler that keeps nothing");

  Sampler sampler = {};     ///< makes z′
  double smoothing = 1e-8;  ///< s in [0, 1]
  double lowest = 1e-12;    ///< lower bound of H, at least 1e-30
  double highest = 1e12;    ///< upper bound of H, at most 1e30

  std::vector<float> hessian = {};  ///< H, set at the start

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout&) {
    require(smoothing >= 0 && smoothing <= 1,
            "preconditioned: smoothing is " + text(smoothing) + ", and must be in [0, 1]");
    require(lowest >= 1e-30 && lowest <= highest && highest <= 1e30,
            "preconditioned: lowest and highest are " + text(lowest) + " and " + text(highest) +
                ", and must be from 1e-30 to 1e30 in this order");
    hessian.assign(x.size(), 1.0f);
  }

  template <class F>
  void each_state(F f) {
    f(hessian);
  }

  /// Called after each update, with the extents that it moved. Curvatures that are not finite are left out.
  template <number T>
  void learn(std::span<const T>, std::span<const extent> moved, direction step, std::span<const double> curvatures) {
    using z_type = decltype(zoft::at(sampler, step));
    std::vector<z_type> z;
    std::vector<double> weight;
    for (std::uint32_t i = 0; i < curvatures.size(); ++i) {
      if (!is_finite(curvatures[i])) continue;
      z.push_back(zoft::at(sampler, {step.seed, step.step, i}));
      weight.push_back(std::min(std::abs(curvatures[i]), 1e200) / 2 / static_cast<double>(curvatures.size()));
    }
    for_each_piece(moved, random::formed_at_once, [&](std::size_t first, std::size_t n, const tensor*) {
      double mean[random::formed_at_once] = {};
      for (std::size_t i = 0; i < z.size(); ++i) {
        float of_query[random::formed_at_once] = {};
        z[i].axpy(std::span<float>(of_query, n), 1.0f, first);
        for (std::size_t j = 0; j < n; ++j) {
          const auto v = static_cast<double>(of_query[j]);
          mean[j] = simd::multiply_add(weight[i], v * v, mean[j]);
        }
      }
      for (std::size_t j = 0; j < n; ++j) {
        const auto old = static_cast<double>(hessian[first + j]);
        const double grown = old * simd::multiply_add(smoothing, mean[j], 1 - smoothing);
        hessian[first + j] = static_cast<float>(std::clamp(grown, lowest, highest));
      }
    });
  }

  /// z(d), which refers to this sampler.
  auto at(direction d) const { return divided<decltype(zoft::at(sampler, d))>{zoft::at(sampler, d), hessian}; }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy. z has no elements before `start`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

  template <class, class Estimator, class, class>
  static constexpr void compose() {
    static_assert(
        requires(const Estimator& e, std::span<double> k) { e.curvatures(step_view{}, k); },
        "preconditioned learns from curvatures: its estimator must measure them, as hessian_informed does");
  }

 private:
  template <class Z>
  struct divided {
    Z z;
    std::span<const float> hessian;

    std::uint64_t elements() const { return std::min<std::uint64_t>(random::elements_of(z), hessian.size()); }

    template <number T>
    void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
      random::axpy_formed(x, a, first, elements(), [&](std::span<float> piece, std::uint64_t from) {
        z.axpy(piece, 1.0f, from);
        float factor[random::formed_at_once];
        for (std::size_t i = 0; i < piece.size(); ++i)
          factor[i] = static_cast<float>(1 / std::sqrt(static_cast<double>(hessian[from + i])));
        random::multiply(piece, factor);
      });
    }
  };
};

template <class Sampler>
preconditioned(Sampler, double) -> preconditioned<Sampler>;

}  // namespace zoft::inline ZOFT_ISA
