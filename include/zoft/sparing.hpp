/// Where an adapter learns one text, and leaves another as it is.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/direction.hpp"
#include "core/low_rank.hpp"
#include "core/observations.hpp"
#include "random/normal.hpp"
// Must come after simd/lanes.hpp, which keeps GCC 12 from warning about the intrinsics that Eigen uses.
#include <Eigen/Cholesky>
#include <Eigen/QR>

namespace zoft::inline ZOFT_ISA {

/// What lora and lora_fa may begin with, so that they change what the model makes of `learned`, and hardly what it
/// makes of `spared`: for each linear that both show, B = 0, and A spans the r directions along which inputs of
/// `learned` are largest, measured by those of `spared`.
///
///     A = Qᵀ/√3       Q (in, r): orthonormal basis of the leading eigenvectors v of C v = κ(S + λτI)v
///
/// with C and S the mean xxᵀ of the inputs that are learned and spared, and τ the mean of S's diagonal. What LoRA-FA
/// adds to y = Wx is BAx, so where Ax is small, nothing changes, whatever B has learned. κ says how many times larger
/// (Ax)² is for the learned inputs.
///
/// λ says how far to trust S: it must be estimated from some more rows than a linear has inputs, and what it does not
/// see can be damaged. S is summed in float, so that λ < 10⁻⁵ can be lost in it. Throws if λ is not positive and
/// finite, or so small that S + λτI is singular; if the two do not show the same linears, or show numbers that are not
/// finite; or if r is greater than a side of a linear.
///
/// Abid et al. 2018, "Exploring patterns enriched in a dataset with contrastive principal component analysis" (there
/// with C − αS). A from inputs, to keep what a model knows: Yang et al. 2024, arXiv:2406.05223 (CorDA); Tang et al.
/// 2025, arXiv:2503.02659 (LoRA-Null). Both factor the weights, and none weighs one text by another.
inline std::vector<low_rank_values> sparing(const observations& learned, const observations& spared, std::size_t rank,
                                            double damping = 0.01, seed run = {}) {
  constexpr int iterations = 24;
  require(std::isfinite(damping) && damping > 0, "sparing", "damping", damping, "positive and finite");
  require(learned.entries().size() == spared.entries().size(),
          "sparing: " + text(learned.entries().size()) + " inputs are shown of what is learned, and " +
              text(spared.entries().size()) + " of what is spared");
  using matrix = Eigen::MatrixXd;
  const auto rows_of = [](const observations& seen, const observations::entry& e) {
    using rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    return Eigen::Map<const rows>(e.inputs.data(), static_cast<Eigen::Index>(seen.slots()),
                                  static_cast<Eigen::Index>(e.in));
  };
  std::vector<low_rank_values> result;
  for (std::size_t i = 0; i < learned.entries().size(); ++i) {
    const observations::entry& e = learned.entries()[i];
    const observations::entry& other = spared.entries()[i];
    require(e.in == other.in && e.parts.size() == other.parts.size() && e.parts[0].name == other.parts[0].name,
            "sparing: '" + e.parts[0].name + "' is learned where '" + other.parts[0].name + "' is spared");
    for (const observations::part& p : e.parts)
      require(rank >= 1 && rank <= e.in && rank <= p.out,
              "sparing: rank is " + text(rank) + ", and '" + p.name + "' is " + text(p.out) + " by " + text(e.in));
    const auto x = rows_of(learned, e);
    const auto s = rows_of(spared, other);
    require(x.allFinite() && s.allFinite(),
            "sparing: the inputs of '" + e.parts[0].name + "' are not all finite, and must be");
    const auto in = static_cast<Eigen::Index>(e.in), r = static_cast<Eigen::Index>(rank);
    Eigen::MatrixXf squares = Eigen::MatrixXf::Zero(in, in);
    squares.selfadjointView<Eigen::Lower>().rankUpdate(s.transpose(), 1.0f / static_cast<float>(s.rows()));
    matrix measure = squares.cast<double>();
    const double mean = measure.trace() / static_cast<double>(e.in);
    measure.diagonal().array() += mean > 0 ? damping * mean : 1.0;
    const Eigen::LLT<matrix> measured(measure);  // S + λτI = LLᵀ
    require(measured.info() == Eigen::Success, "sparing: damping is " + text(damping) + ", and too small for '" +
                                                   e.parts[0].name + "': S + λτI is singular in double");

    // v = L⁻ᵀu, with u the leading eigenvectors of L⁻¹CL⁻ᵀ, by orthogonal iteration.
    matrix u = matrix::Zero(in, r);
    const direction d{run.value, 0, static_cast<std::uint32_t>(i)};
    random::drawn<random::normal>(d, random::stream::initialisation)
        .axpy(std::span(u.data(), static_cast<std::size_t>(u.size())), 1.0);
    const auto orthonormal = [&](const matrix& m) -> matrix {
      return Eigen::HouseholderQR<matrix>(m).householderQ() * matrix::Identity(in, r);
    };
    for (int n = 0; n < iterations; ++n) {
      u = orthonormal(u);
      const Eigen::MatrixXf v = measured.matrixU().solve(u).cast<float>();
      const Eigen::MatrixXf along = x * v;
      u = measured.matrixL().solve((x.transpose() * along).cast<double>());
    }
    const matrix q = orthonormal(measured.matrixU().solve(u));
    std::vector<float> a;
    for (Eigen::Index j = 0; j < r; ++j)
      for (Eigen::Index k = 0; k < in; ++k) a.push_back(static_cast<float>(q(k, j) / std::sqrt(3.0)));
    for (const observations::part& p : e.parts) result.push_back({p.name, a, std::vector<float>(p.out * rank)});
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA
