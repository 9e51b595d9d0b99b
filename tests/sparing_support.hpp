// What the tests of zoft::sparing share: the eigenvalues that it is to find, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>
#include <zoft/sparing.hpp>
// Must come after simd/lanes.hpp.
#include <Eigen/Eigenvalues>
#include <Eigen/SVD>

namespace sparing_test {

using Eigen::MatrixXd, Eigen::VectorXd;

/// Rows of floats (n, in).
inline MatrixXd input_rows(const std::vector<float>& x, std::size_t in) {
  const auto columns = static_cast<Eigen::Index>(in);
  using rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const rows>(x.data(), static_cast<Eigen::Index>(x.size()) / columns, columns).cast<double>();
}

inline MatrixXd mean_square(const MatrixXd& x) { return x.transpose() * x / static_cast<double>(x.rows()); }

/// An orthonormal basis of what the columns span.
inline MatrixXd basis(const MatrixXd& of) {
  return Eigen::HouseholderQR<MatrixXd>(of).householderQ() * MatrixXd::Identity(of.rows(), of.cols());
}

/// The sine of the greatest angle between the rows of A and the span of v's columns.
inline double sine(const MatrixXd& a, const MatrixXd& v) {
  const MatrixXd q = basis(a.transpose()), of = basis(v);
  return Eigen::JacobiSVD<MatrixXd>(q - of * (of.transpose() * q)).singularValues()(0);
}

/// C v = κM v with M = S + λτI, of inputs that are learned and spared.
struct pencil {
  MatrixXd c, s, measure;
  VectorXd kappa;  ///< from the greatest to the least
  MatrixXd v;      ///< in columns

  pencil(const MatrixXd& learned, const MatrixXd& spared, double damping)
      : c(mean_square(learned)), s(mean_square(spared)), measure(s) {
    const double mean = s.trace() / static_cast<double>(s.rows());
    measure.diagonal().array() += mean > 0 ? damping * mean : 1.0;
    const Eigen::GeneralizedSelfAdjointEigenSolver<MatrixXd> solved(c, measure);
    kappa = solved.eigenvalues().reverse();
    v = solved.eigenvectors().rowwise().reverse();
  }

  MatrixXd leading(std::size_t rank) const { return v.leftCols(static_cast<Eigen::Index>(rank)); }

  /// The eigenvalues of ACAᵀ u = κ(AMAᵀ)u: how many times larger (Ax)² is for learned inputs, along each u. The sum is
  /// κ₁ + … + κ_r if A spans the leading eigenvectors, and smaller for any other A. The least is what holds for every
  /// B.
  VectorXd captured(const MatrixXd& a) const {
    return Eigen::GeneralizedSelfAdjointEigenSolver<MatrixXd>(a * c * a.transpose(), a * measure * a.transpose())
        .eigenvalues();
  }
  /// Their sum, as a part of κ₁ + … + κ_r.
  double share(const MatrixXd& a) const { return captured(a).sum() / kappa.head(a.rows()).sum(); }
};

}  // namespace sparing_test
