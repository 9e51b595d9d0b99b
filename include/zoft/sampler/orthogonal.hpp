#pragma once

#include <cmath>
#include <vector>

#include "../random/eight_sums.hpp"
#include "../random/formed.hpp"
#include "gaussian.hpp"

namespace zoft::inline ZOFT_ISA {

/// The q directions of a step, orthogonal to one another and each of length √n: the gaussians g₀ … g_{q−1} made
/// orthogonal by Gram-Schmidt. Each direction by itself is uniform on the sphere, so E zzᵀ = I. No direction measures
/// what another has measured: with q = n, two_point's estimate is the gradient, apart from the error of a finite ε.
/// Queries beyond q form further groups of q, orthogonal within each group. Choromanski et al. 2018, arXiv:1804.02395.
///
/// zᵢ = Σ_{j≤i} wⱼgⱼ. The weights w are computed in double from the (i + 1)×(i + 1) products gⱼᵀgₖ, so nothing of the
/// parameters' size is stored. A direction takes i + 1 gaussians for the products, O(i²n), and as many again for z. The
/// errors of the angles grow as the gₖ come closer to linear dependence; for q well below n they are those of rounding
/// z to float.
struct orthogonal {
  std::uint64_t size = 0;     ///< number of parameters, n ≥ q
  std::uint32_t queries = 1;  ///< q ≥ 1, the same as the estimator's

  /// z(d) as a weighted sum of gaussians.
  struct combined {
    std::vector<random::drawn<random::normal>> g;
    std::vector<double> weight;
    std::uint64_t size;

    std::uint64_t elements() const { return size; }

    /// x[i] += a · z[first + i]; a = 0 and errors as in random::drawn::axpy.
    template <number T>
    void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
      random::axpy_formed(x, a, first, size, [&](std::span<float> z, std::uint64_t at) {
        double sum[random::formed_at_once] = {};
        for (std::size_t j = 0; j < g.size(); ++j) g[j].axpy(std::span<double>(sum, z.size()), weight[j], at);
        for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<float>(sum[i]);
      });
    }
  };

  /// z(d). Throws std::invalid_argument if size or queries is out of range.
  combined at(direction d) const {
    if (size == 0 || size > random::most_at_once)
      fail("orthogonal: the size is " + text(size) + ", and must be the number of parameters, 1 to 2^40");
    if (queries == 0 || queries > size)
      fail("orthogonal: queries is " + text(queries) + ", and must be 1 to the size, which is " + text(size));
    combined z{{}, {}, size};
    for (std::uint32_t j = d.query / queries * queries; j <= d.query; ++j)
      z.g.push_back(gaussian{}.at({d.seed, d.step, j}));
    z.weight = last_row(products(z.g), z.g.size());
    for (double& w : z.weight) w *= std::sqrt(static_cast<double>(size));
    return z;
  }

  /// x[i] += a · z(d)[first + i]; a = 0 and errors as in random::drawn::axpy, plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  /// The lower triangle of G (m, m): gⱼᵀgₖ at [j·m + k], for k ≤ j.
  std::vector<double> products(const std::vector<random::drawn<random::normal>>& g) const {
    constexpr std::size_t piece = 512;
    const std::size_t m = g.size();
    std::vector<double> of_all(m * piece);
    std::vector<random::eight_sums> sums(m * m);
    for (std::uint64_t first = 0; first < size; first += piece) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(piece, size - first));
      std::fill(of_all.begin(), of_all.end(), 0.0);
      for (std::size_t j = 0; j < m; ++j) g[j].axpy(std::span<double>(&of_all[j * piece], n), 1.0, first);
      for (std::size_t j = 0; j < m; ++j)
        for (std::size_t k = 0; k <= j; ++k) sums[j * m + k].add(&of_all[j * piece], &of_all[k * piece], piece);
    }
    std::vector<double> result;
    for (const random::eight_sums& s : sums) result.push_back(s.total());
    return result;
  }

  /// The last row of L⁻¹, where G = LLᵀ: the weights of the last orthonormal direction. If nothing of a direction is
  /// left (g is all 0, possible for n = 1), it is 0.
  static std::vector<double> last_row(std::vector<double> l, std::size_t m) {
    for (std::size_t j = 0; j < m; ++j)
      for (std::size_t k = 0; k <= j; ++k) {
        double rest = l[j * m + k];
        for (std::size_t i = 0; i < k; ++i) rest = simd::multiply_add(-l[j * m + i], l[k * m + i], rest);
        const double pivot = j == k ? std::sqrt(std::max(rest, 0.0)) : l[k * m + k];
        l[j * m + k] = j == k ? pivot : pivot > 0 ? rest / pivot : 0.0;
      }
    std::vector<double> w(m, 0.0);
    for (std::size_t j = m; j-- > 0;) {
      double rest = j == m - 1 ? 1.0 : 0.0;
      for (std::size_t k = j + 1; k < m; ++k) rest = simd::multiply_add(-l[k * m + j], w[k], rest);
      if (l[j * m + j] > 0) w[j] = rest / l[j * m + j];
    }
    return w;
  }
};

}  // namespace zoft::inline ZOFT_ISA
