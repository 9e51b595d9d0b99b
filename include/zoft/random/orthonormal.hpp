/// Orthonormal rows, and the inner products they need: in double, summed in the same order on all instruction sets.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "axpy.hpp"
#include "eight_sums.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// Σ aᵢbᵢ of n floats or doubles.
template <class A, class B>
double dot(const A* a, const B* b, std::size_t n) {
  constexpr std::size_t chunk = 256;
  eight_sums sums;
  for (std::size_t done = 0; done < n; done += chunk) {
    double wide_a[chunk], wide_b[chunk];
    const std::size_t count = std::min(chunk, n - done), padded = (count + 7) / 8 * 8;
    std::copy_n(a + done, count, wide_a);
    std::copy_n(b + done, count, wide_b);
    std::fill(wide_a + count, wide_a + padded, 0.0);
    std::fill(wide_b + count, wide_b + padded, 0.0);
    sums.add(wide_a, wide_b, padded);
  }
  return sums.total();
}

/// q (rows, n), rows ≤ n: makes each row orthogonal to those before it, and of length 1. For gaussian rows the result
/// is the Q of a QR decomposition whose R has a positive diagonal, which is uniform among all sets of orthonormal rows.
///
/// Uses modified Gram-Schmidt twice, which makes the rows orthogonal to within rounding. If nothing is left of a row,
/// the first coordinate axis of which something is left takes its place. Giraud et al. 2005, "Rounding error analysis
/// of the classical Gram-Schmidt orthogonalization process".
inline void orthonormalise(std::span<double> q, std::size_t rows) {
  const std::size_t n = q.size() / rows;
  for (std::size_t i = 0; i < rows; ++i) {
    const std::span<double> row = q.subspan(i * n, n);
    const auto left_of_it = [&] {
      const double before = dot(row.data(), row.data(), n);
      for (int pass = 0; pass < 2; ++pass)
        for (std::size_t j = 0; j < i; ++j) axpy<double>(row, -dot(row.data(), q.data() + j * n, n), q.data() + j * n);
      const double after = dot(row.data(), row.data(), n);
      return after > 1e-20 * before ? after : 0.0;
    };
    double squares = left_of_it();
    for (std::size_t coordinate = 0; squares == 0; ++coordinate) {
      std::fill(row.begin(), row.end(), 0.0);
      row[coordinate] = 1;
      squares = left_of_it();
    }
    const double scale = simd::rounded<double>(1 / std::sqrt(squares));
    for (double& v : row) v = simd::rounded<double>(scale * v);
  }
}

}  // namespace zoft::inline ZOFT_ISA::random
