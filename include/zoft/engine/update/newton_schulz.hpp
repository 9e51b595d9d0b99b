/// The matrix sign, computed by matrix products alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "../../random/orthonormal.hpp"

namespace zoft::inline ZOFT_ISA {

/// X (rows, columns) ← approximately msign(X) = (XXᵀ)^(−1/2)·X = UVᵀ where X = UΣVᵀ, by n iterations of
///
///     X ← 3.4445·X − 4.775·XXᵀX + 2.0315·(XXᵀ)²X        from X/‖X‖, the Frobenius norm
///
/// Five iterations take singular values of at least 0.002 of the norm to 0.68 … 1.21; more iterations bring them no
/// closer to 1. 0 stays 0. Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
///
/// The work is done in double and on the small side: all iterations together are one polynomial of C = XᵀX (or XXᵀ,
/// whichever is smaller), and X is multiplied by it at the end.
template <class A>
void newton_schulz(std::span<A> x, std::size_t rows, std::size_t columns, std::size_t iterations) {
  const bool tall = columns <= rows;
  const std::size_t n = std::min(rows, columns);
  using matrix = std::vector<double>;
  // to (m, p) ← a (m, n) · b (n, p)
  const auto product = [n](const auto* a, std::size_t m, const auto* b, std::size_t p) {
    matrix to(m * p);
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j)
        random::axpy<double>(std::span(to).subspan(i * p, p), static_cast<double>(a[i * n + j]), b + j * p);
    return to;
  };
  const auto squared = [&](const matrix& a, const matrix& b) { return product(a.data(), n, b.data(), n); };

  matrix c(n * n);
  if (tall) {
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < n; ++j)
        random::axpy<double>(std::span(c).subspan(j * n, n), static_cast<double>(x[i * n + j]), x.data() + i * n);
  } else {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        c[i * n + j] = random::dot(x.data() + i * columns, x.data() + j * columns, columns);
  }
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += c[i * n + i];
  if (squares == 0) return;

  matrix polynomial(n * n);
  for (std::size_t i = 0; i < n; ++i) polynomial[i * n + i] = 1 / std::sqrt(squares);
  for (double& v : c) v = simd::rounded<double>(v / squares);
  for (std::size_t iteration = 0; iteration < iterations; ++iteration) {
    matrix b(n * n);
    const matrix c2 = squared(c, c);
    random::axpy<double>(std::span(b), 2.0315, c2.data());
    random::axpy<double>(std::span(b), -4.775, c.data());
    for (std::size_t i = 0; i < n; ++i) b[i * n + i] += 3.4445;
    polynomial = squared(polynomial, b);
    c = squared(squared(b, c), b);
  }
  const matrix result =
      tall ? product(x.data(), rows, polynomial.data(), n) : product(polynomial.data(), n, x.data(), columns);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<A>(result[i]);
}

}  // namespace zoft::inline ZOFT_ISA
