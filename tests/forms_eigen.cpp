// Form 1 of the promised forms of use, for Eigen's vectors and matrices.
#include <zoft/eigen.hpp>

#include "core_support.hpp"

namespace {

/// |a − b|², by element: GCC 12 warns about Eigen's own reduction with AVX-512.
template <class A, class B>
double squared_distance(const A& a, const B& b) {
  double sum = 0;
  for (Eigen::Index j = 0; j < a.cols(); ++j)
    for (Eigen::Index i = 0; i < a.rows(); ++i) sum += std::pow(static_cast<double>(a(i, j) - b(i, j)), 2);
  return sum;
}

}  // namespace

TEST_CASE("form 1: Eigen vectors and matrices", "[forms]") {
  Eigen::VectorXd x = Eigen::VectorXd::Zero(10);
  const Eigen::VectorXd goal = Eigen::VectorXd::LinSpaced(10, -1, 1);
  const auto distance = [&](const Eigen::VectorXd& v) { return squared_distance(v, goal); };
  zoft::report r = zoft::minimize(x, distance, {.steps = 2000, .learning_rate = 0.02, .epsilon = 1e-4, .seed = 42});
  CHECK(r.status == zoft::status::ok);
  CHECK(r.initial_loss == squared_distance(goal, Eigen::VectorXd::Zero(10)));
  CHECK(r.loss == distance(x));
  CHECK(r.loss < 1e-12);
  CHECK(r.evaluations == 4202);

  Eigen::MatrixXf m = Eigen::MatrixXf::Zero(5, 3);
  const Eigen::MatrixXf target = Eigen::MatrixXf::Identity(5, 3);
  const auto matrix_distance = [&](const Eigen::MatrixXf& v) {
    CHECK(v.data() == m.data());
    return squared_distance(v, target);
  };
  r = zoft::minimize(m, matrix_distance, {.steps = 500, .learning_rate = 0.02, .epsilon = 1e-2, .seed = 42});
  CHECK(r.status == zoft::status::ok);
  CHECK(r.initial_loss == 3);
  CHECK(r.loss < 1e-3);

  Eigen::Vector3d fixed(1, 2, 3);
  r = zoft::minimize(fixed, [](const auto& v) { return v[0] * v[0] + v[1] * v[1] + v[2] * v[2]; }, {.steps = 500});
  CHECK(r.loss < 1e-6);
  CHECK(fixed.norm() < 1e-3);
}

TEST_CASE("minimize: Eigen's storage and the span over it give the same bits", "[minimize]") {
  const zoft::minimize_options o{.steps = 50, .learning_rate = 1e-4, .epsilon = 1e-3, .queries = 2, .seed = 3};
  Eigen::MatrixXd m = Eigen::MatrixXd::Constant(4, 5, 0.5);
  zoft::minimize(
      m,
      [](const Eigen::MatrixXd& v) {
        return core_test::rosenbrock<double>({v.data(), static_cast<std::size_t>(v.size())});
      },
      o);
  std::vector<double> x(20, 0.5);
  zoft::minimize(std::span(x), core_test::rosenbrock<double>, o);
  CHECK(core_test::bits(std::vector<double>(m.data(), m.data() + m.size())) == core_test::bits(x));
}

TEST_CASE("minimize: an empty Eigen vector is refused", "[minimize]") {
  Eigen::VectorXd none;
  CHECK(core_test::message([&] { zoft::minimize(none, [](const Eigen::VectorXd& v) { return v[0]; }); }) ==
        "zoft: minimize: x is empty, and must be at least one number");
}
