// The A that zoft::sparing makes, beside the eigenvectors that another solver finds in double.
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/calibrated.hpp>
#include <zoft/random/normal.hpp>

#include "catch.hpp"
#include "sparing_support.hpp"

using namespace sparing_test;

namespace {

MatrixXd sparing_gaussians(std::uint64_t seed, std::size_t rows, std::size_t columns) {
  std::vector<double> z(rows * columns);
  zoft::random::gaussian_direction({seed, 0, 0}).axpy(std::span(z), 1.0);
  return Eigen::Map<const MatrixXd>(z.data(), static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
}

/// Rows x (n, in), shown of linears that read them: "q" and "k", with 70 and 50 outputs.
zoft::observations sparing_shown(const MatrixXd& x, const std::vector<std::string>& names = {"q", "k"},
                                 std::vector<std::size_t> outputs = {70, 50}) {
  zoft::observations seen;
  seen.ask_inputs({4, 0, 0}, static_cast<std::size_t>(x.rows()), names);
  std::vector<zoft::observations::part> parts;
  for (std::size_t p = 0, first = 0; p < names.size(); first += outputs[p++])
    parts.push_back({names[p], first, outputs[p]});
  auto& e = seen.add(static_cast<std::size_t>(x.cols()), parts);
  for (Eigen::Index row = 0; row < x.rows(); ++row)
    for (Eigen::Index i = 0; i < x.cols(); ++i)
      e.input(static_cast<std::size_t>(row))[static_cast<std::size_t>(i)] = static_cast<float>(x(row, i));
  return seen;
}

/// What both show, and the eigenvectors: rows of gaussians, mixed so that S is no multiple of I, of which the learned
/// have lengths √κ along directions of their own.
struct sparing_case {
  zoft::observations learned, spared;
  pencil exact;

  sparing_case(const MatrixXd& x, const MatrixXd& s, double damping)
      : learned(sparing_shown(x)), spared(sparing_shown(s)), exact(of(learned, x), of(spared, s), damping) {}

 private:
  static MatrixXd of(const zoft::observations& seen, const MatrixXd& x) {
    return input_rows(seen.entries()[0].inputs, static_cast<std::size_t>(x.cols()));
  }
};

/// κⱼ = 8 to the power of `leading` − j, but for what chance makes of it; behind the leading ones, all are 1/8.
sparing_case sparing_with_gaps(std::uint64_t seed, std::size_t in, std::size_t leading, double damping) {
  const auto n = static_cast<Eigen::Index>(in);
  const MatrixXd mix = MatrixXd::Identity(n, n) + 0.5 / std::sqrt(double(in)) * sparing_gaussians(seed, in, in);
  VectorXd lengths(n);
  for (Eigen::Index j = 0; j < n; ++j)
    lengths(j) = std::pow(8.0, 0.5 * std::max(-1.0, static_cast<double>(leading) - static_cast<double>(j)));
  return {sparing_gaussians(seed + 1, 20 * in + 1, in) * lengths.asDiagonal() * mix.transpose(),
          sparing_gaussians(seed + 2, 25 * in + 3, in) * mix.transpose(), damping};
}

MatrixXd sparing_a(const zoft::low_rank_values& values, std::size_t rank) {
  return input_rows(values.a, values.a.size() / rank);
}

constexpr double sparing_unit = 0x1p-24;  // a float's relative rounding error

/// The greatest |3AAᵀ − I|. Where A's elements are rounded to floats, it is 2 units.
double sparing_skew(const MatrixXd& a) {
  return (3 * a * a.transpose() - MatrixXd::Identity(a.rows(), a.rows())).cwiseAbs().maxCoeff();
}

std::string sparing_error(const zoft::observations& learned, const zoft::observations& spared, std::size_t rank,
                          double damping = 0.01) {
  try {
    zoft::sparing(learned, spared, rank, damping);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("sparing: A spans the leading generalised eigenvectors", "[observed]") {
  std::uint64_t seed = 100;
  for (const auto& [in, rank] : std::vector<std::pair<std::size_t, std::size_t>>{
           {2, 1}, {5, 2}, {9, 4}, {17, 1}, {23, 7}, {37, 5}, {49, 8}, {64, 3}})
    for (const double damping : {1e-3, 0.01, 1.0}) {
      INFO(in << " inputs, rank " << rank << ", damping " << damping);
      const sparing_case one = sparing_with_gaps(seed += 3, in, rank - 1, damping);
      const auto result = zoft::sparing(one.learned, one.spared, rank, damping, {seed});
      REQUIRE(result.size() == 2);
      CHECK(result[0].linear == "q");
      CHECK(result[1].linear == "k");
      CHECK(result[0].a == result[1].a);
      CHECK(result[0].b == std::vector<float>(70 * rank));
      CHECK(result[1].b == std::vector<float>(50 * rank));
      REQUIRE(result[0].a.size() == rank * in);
      const MatrixXd a = sparing_a(result[0], rank);
      CHECK(sparing_skew(a) < 2 * sparing_unit);
      // After 24 iterations, the tangent of the angle is (κ_r₊₁/κ_r)²⁴ of what it was at random, which is in, or 1000
      // times that where luck is bad. S, and products with C, are of floats. So the matrix whose eigenvectors are
      // iterated, L⁻¹CL⁻ᵀ, is off by some units of κ₁, times the condition of M, and its eigenvectors by that over the
      // gap. v = L⁻ᵀu multiplies angles by at most the root of that condition.
      const VectorXd& k = one.exact.kappa;
      const auto r = static_cast<Eigen::Index>(rank);
      const VectorXd of_m = Eigen::SelfAdjointEigenSolver<MatrixXd>(one.exact.measure).eigenvalues();
      const double condition = of_m.maxCoeff() / of_m.minCoeff(), gap = k(r - 1) - k(r);
      REQUIRE(k(r) < 0.75 * k(r - 1));
      const double bound = std::sqrt(condition) * (1000 * double(in) * std::pow(k(r) / k(r - 1), 24.0) +
                                                   4 * sparing_unit * condition * k(0) / gap);
      const double angle = sine(a, one.exact.leading(rank));
      CHECK(angle < bound);
      CHECK(angle < 0.02);
      CHECK(one.exact.share(a) == Approx(1.0).margin(1e-3));
    }
}

TEST_CASE("sparing: the best directions where there is no gap, and where both have one that is huge", "[observed]") {
  // Of a spectrum without a gap the vectors are not found, but the captured part is: what is lost of κ_r to κ_r₊₁ is
  // weighted by their ratio to the power of 48.
  for (const double huge : {1.0, 300.0})
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      MatrixXd x = sparing_gaussians(10 * seed, 91, 41), s = sparing_gaussians(10 * seed + 1, 123, 41);
      for (Eigen::Index j = 0; j < 41; ++j) x.col(j) *= 1 + static_cast<double>((7 * j + 3) % 41) / 41;
      x.col(5) *= huge;
      s.col(5) *= huge;
      const double damping = 0.01 / (huge * huge);  // τ is that of the huge one
      const sparing_case one(x, s, damping);
      const MatrixXd a = sparing_a(zoft::sparing(one.learned, one.spared, 5, damping, {seed})[0], 5);
      INFO("huge " << huge << ", seed " << seed << ", κ " << one.exact.kappa.head(7).transpose());
      CHECK(sparing_skew(a) < 2 * sparing_unit);
      CHECK(one.exact.share(a) > 0.99);
      CHECK(one.exact.share(a) < 1.001);
    }
}

TEST_CASE("sparing: where few rows are spared, A is where they are not", "[observed]") {
  constexpr std::size_t in = 29, rank = 4;
  for (const double damping : {1e-4, 1e-2}) {
    const sparing_case one(sparing_gaussians(71, 90, in), sparing_gaussians(72, 6, in), damping);
    const MatrixXd a = sparing_a(zoft::sparing(one.learned, one.spared, rank, damping)[0], rank);
    CHECK(sparing_skew(a) < 2 * sparing_unit);
    CHECK(one.exact.share(a) > 0.99);
    // For w in the span of leading v: Mw = Cw′, where w′ is at most w/κ_r in length, measured by M. And |w|² in that
    // measure is at most wᵀCw/κ_r. So the part of a unit w where rows are spared is at most
    //     c₁·|w′| / σ ≤ c₁ · √(c₁/κ_r) / (κ_r·√(λτ)·σ)
    // for C's greatest eigenvalue c₁ and S's least but 0, σ. It is of order λ: with λ = 1e-4, nothing is seen of A.
    const Eigen::SelfAdjointEigenSolver<MatrixXd> of_s(one.exact.s);
    const MatrixXd range = of_s.eigenvectors().rightCols(6);
    const double sigma = of_s.eigenvalues()(in - 6), tau = one.exact.s.trace() / double(in),
                 c = Eigen::SelfAdjointEigenSolver<MatrixXd>(one.exact.c).eigenvalues().maxCoeff(),
                 kappa = one.exact.kappa(rank - 1);
    const double bound = c * std::sqrt(c / kappa) / (kappa * std::sqrt(damping * tau) * sigma);
    const double within = Eigen::JacobiSVD<MatrixXd>(std::sqrt(3.0) * a * range).singularValues()(0);
    INFO("within " << within << ", bound " << bound);
    CHECK(bound < 20 * damping);  // or else the next line says little
    CHECK(within < 1.05 * bound + 1e-5);
    // A principal direction of the learned, which are alike in all directions, would have √(6/29) there.
    CHECK(within < 0.1);
  }
}

TEST_CASE("sparing: nothing spared leaves the principal directions", "[observed]") {
  constexpr std::size_t in = 19, rank = 3;
  MatrixXd x = sparing_gaussians(81, 77, in);
  for (Eigen::Index j = 0; j < 19; ++j) x.col(j) *= std::pow(2.0, -static_cast<double>(j));
  const zoft::observations learned = sparing_shown(x), none = sparing_shown(MatrixXd::Zero(50, in));
  const MatrixXd a = sparing_a(zoft::sparing(learned, none, rank)[0], rank);
  CHECK(sparing_skew(a) < 2 * sparing_unit);
  const Eigen::SelfAdjointEigenSolver<MatrixXd> of_c(mean_square(input_rows(learned.entries()[0].inputs, in)));
  CHECK(sine(a, of_c.eigenvectors().rightCols(rank)) < 1e-4);
  CHECK(sine(a, sparing_a(zoft::calibrated(learned, rank)[0], rank).transpose()) < 1e-3);
}

TEST_CASE("sparing: it does not depend on units, nor on rows that are all 0", "[observed]") {
  constexpr std::size_t in = 15, rank = 3;
  const sparing_case one = sparing_with_gaps(85, in, rank - 1, 0.01);
  const MatrixXd x = input_rows(one.learned.entries()[0].inputs, in),
                 s = input_rows(one.spared.entries()[0].inputs, in);
  const MatrixXd a = sparing_a(zoft::sparing(one.learned, one.spared, rank)[0], rank);
  for (const double scale : {0x1p-20, 0x1p+16}) {
    CHECK(sine(sparing_a(zoft::sparing(sparing_shown(scale * x), one.spared, rank)[0], rank), a.transpose()) < 1e-4);
    CHECK(sine(sparing_a(zoft::sparing(one.learned, sparing_shown(scale * s), rank)[0], rank), a.transpose()) < 1e-4);
  }
  // An example with fewer rows than were asked for leaves the others 0.
  MatrixXd padded = MatrixXd::Zero(s.rows() + 40, in);
  padded.topRows(s.rows()) = s;
  CHECK(sine(sparing_a(zoft::sparing(one.learned, sparing_shown(padded), rank)[0], rank), a.transpose()) < 1e-4);
}

TEST_CASE("sparing: inputs of a rank below r give orthonormal rows, among which theirs are", "[observed]") {
  constexpr std::size_t in = 21, rank = 6;
  const MatrixXd s = sparing_gaussians(91, 60, in);
  for (const std::size_t own : std::vector<std::size_t>{0, 1, 2, 5}) {
    INFO("of rank " << own);
    const MatrixXd x = sparing_gaussians(92, 40, own) * sparing_gaussians(93, own, in);
    const sparing_case one(own == 0 ? MatrixXd::Zero(40, in) : x, s, 0.01);
    const auto result = zoft::sparing(one.learned, one.spared, rank);
    REQUIRE(result[0].a.size() == rank * in);
    for (const float value : result[0].a) REQUIRE(std::isfinite(value));
    const MatrixXd a = sparing_a(result[0], rank);
    CHECK(sparing_skew(a) < 2 * sparing_unit);
    if (own > 0) CHECK(one.exact.share(a) == Approx(1.0).margin(1e-3));
  }
}

TEST_CASE("sparing: rank up to the sides of a linear", "[observed]") {
  const MatrixXd x = sparing_gaussians(94, 30, 7), s = sparing_gaussians(95, 30, 7);
  const auto result =
      zoft::sparing(sparing_shown(x, {"q", "k"}, {9, 7}), sparing_shown(s, {"q", "k"}, {9, 7}), 7, 0.01);
  REQUIRE(result.size() == 2);
  CHECK(sparing_skew(sparing_a(result[0], 7)) < 2 * sparing_unit);
  CHECK(result[0].b == std::vector<float>(63));
  CHECK(result[1].b == std::vector<float>(49));
}

TEST_CASE("sparing: each linear by its own inputs, in the order in which they are shown", "[observed]") {
  constexpr std::size_t rank = 2;
  const sparing_case first = sparing_with_gaps(111, 13, rank - 1, 0.01), second = sparing_with_gaps(114, 31, 1, 0.01);
  zoft::observations learned = first.learned, spared = first.spared;
  // The rows are as many: those of the first, which are fewer.
  const auto add = [](zoft::observations& to, const zoft::observations& from) {
    auto& e = to.add("down", 31, 11);
    std::copy_n(from.entries()[0].inputs.begin(), e.inputs.size(), e.inputs.begin());
  };
  add(learned, second.learned);
  add(spared, second.spared);
  const auto result = zoft::sparing(learned, spared, rank);
  REQUIRE(result.size() == 3);
  CHECK(result[0].linear == "q");
  CHECK(result[1].linear == "k");
  CHECK(result[2].linear == "down");
  CHECK(result[2].b == std::vector<float>(11 * rank));
  const pencil exact(input_rows(learned.entries()[1].inputs, 31), input_rows(spared.entries()[1].inputs, 31), 0.01);
  CHECK(first.exact.share(sparing_a(result[0], rank)) == Approx(1.0).margin(1e-3));
  CHECK(exact.share(sparing_a(result[2], rank)) == Approx(1.0).margin(1e-3));
}

TEST_CASE("sparing: the same seed gives the same bits", "[observed]") {
  constexpr std::size_t in = 27, rank = 4;
  const sparing_case one = sparing_with_gaps(121, in, rank - 1, 0.01);
  const auto first = zoft::sparing(one.learned, one.spared, rank, 0.01, {8}),
             again = zoft::sparing(one.learned, one.spared, rank, 0.01, {8}),
             other = zoft::sparing(one.learned, one.spared, rank, 0.01, {9});
  CHECK(first[0].a == again[0].a);
  CHECK(first[0].a != other[0].a);                                                       // another basis
  CHECK(sine(sparing_a(first[0], rank), sparing_a(other[0], rank).transpose()) < 1e-3);  // of the same
}

TEST_CASE("sparing: lora_fa begins with it, and changes what is spared less by at least the least eigenvalue",
          "[observed]") {
  constexpr std::size_t in = 33, rank = 4, out = 12;
  const sparing_case one(sparing_gaussians(131, 120, in),
                         sparing_gaussians(132, 150, in) * VectorXd::LinSpaced(33, 0.1, 2).asDiagonal(), 0.01);
  zoft::layout linears;
  linears.add("q", 70, in);
  linears.add("k", 50, in);
  const auto start = zoft::sparing(one.learned, one.spared, rank);
  auto adapter = zoft::lora_fa{.rank = rank, .start = start}.attach(linears, zoft::seed{});
  for (std::size_t l = 0; l < 2; ++l) {
    const auto pair = adapter.pairs()[l];
    CHECK(std::vector<float>(pair.a.begin(), pair.a.end()) == start[l].a);
    CHECK(std::vector<float>(pair.b.begin(), pair.b.end()) == start[l].b);
  }
  const MatrixXd a = sparing_a(start[0], rank), x = input_rows(one.learned.entries()[0].inputs, in),
                 s = input_rows(one.spared.entries()[0].inputs, in);
  // The mean of |BAx|² is tr BACAᵀBᵀ, and for spared ones it is at most tr BAMAᵀBᵀ. Each row of BA is a combination of
  // leading eigenvectors, for which vᵀCv ≥ κ_r·vᵀMv; the last percent is what iterations have not found.
  const double least = 0.99 * one.exact.kappa(rank - 1);
  CHECK(one.exact.captured(a)(0) > least);
  CHECK(least > 10);  // where a random A has 33/Σ(0.1 … 2)² = 0.7
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const MatrixXd ba = sparing_gaussians(140 + seed, seed % 2 == 0 ? 1 : out, rank) * a;
    const double learned = mean_square(x * ba.transpose()).trace(), spared = mean_square(s * ba.transpose()).trace();
    CHECK(learned > least * spared);
  }
}

TEST_CASE("sparing: bad input is named", "[observed]") {
  const MatrixXd x = sparing_gaussians(151, 30, 9), s = sparing_gaussians(152, 30, 9);
  const std::vector<std::size_t> outputs{5, 4};
  const zoft::observations learned = sparing_shown(x, {"q", "k"}, outputs),
                           spared = sparing_shown(s, {"q", "k"}, outputs);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const std::string damping = "zoft: sparing: damping is ", wanted = ", and must be positive and finite";
  CHECK(sparing_error(learned, spared, 2, 0) == damping + "0" + wanted);
  CHECK(sparing_error(learned, spared, 2, -0.5) == damping + "-0.5" + wanted);
  CHECK(sparing_error(learned, spared, 2, infinity) == damping + "inf" + wanted);
  CHECK(sparing_error(learned, spared, 2, std::numeric_limits<double>::quiet_NaN()) == damping + "nan" + wanted);

  // S = 11ᵀ has rank 1, and 10⁻³⁰ adds nothing to it.
  CHECK(sparing_error(learned, sparing_shown(MatrixXd::Ones(30, 9), {"q", "k"}, outputs), 2, 1e-30) ==
        "zoft: sparing: damping is 1e-30, and too small for 'q': S + λτI is singular in double");
  MatrixXd broken = x;
  broken(3, 2) = infinity;
  for (const bool of_learned : {true, false})
    CHECK(sparing_error(of_learned ? sparing_shown(broken, {"q", "k"}, outputs) : learned,
                        of_learned ? spared : sparing_shown(broken, {"q", "k"}, outputs),
                        2) == "zoft: sparing: the inputs of 'q' are not all finite, and must be");

  zoft::observations more = spared;
  more.add("o", 9, 9);
  CHECK(sparing_error(learned, more, 2) ==
        "zoft: sparing: 1 inputs are shown of what is learned, and 2 of what is spared");
  CHECK(sparing_error(more, spared, 2) ==
        "zoft: sparing: 2 inputs are shown of what is learned, and 1 of what is spared");
  CHECK(sparing_error(learned, sparing_shown(s, {"v", "k"}, outputs), 2) ==
        "zoft: sparing: 'q' is learned where 'v' is spared");
  // The first of the linears has the same name, but not the same company, or not the same inputs.
  CHECK(sparing_error(learned, sparing_shown(s, {"q"}, outputs), 2) ==
        "zoft: sparing: 'q' is learned where 'q' is spared");
  CHECK(sparing_error(learned, sparing_shown(s.leftCols(8), {"q", "k"}, outputs), 2) ==
        "zoft: sparing: 'q' is learned where 'q' is spared");

  CHECK(sparing_error(learned, spared, 0) == "zoft: sparing: rank is 0, and 'q' is 5 by 9");
  CHECK(sparing_error(learned, spared, 5) == "zoft: sparing: rank is 5, and 'k' is 4 by 9");
  CHECK(sparing_error(sparing_shown(x), sparing_shown(s), 10) == "zoft: sparing: rank is 10, and 'q' is 70 by 9");
  CHECK(sparing_error(learned, spared, 4) == "nothing was thrown");
  CHECK(zoft::sparing({}, {}, 4).empty());
}
