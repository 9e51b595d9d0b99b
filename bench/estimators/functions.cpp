#include "problems.hpp"
#include "run.hpp"

namespace estimators {

namespace {

template <class Function>
class function_problem : public problem {
 public:
  function_problem() : x_(f_.start()) {
    f_of_.value = [this](std::span<const double> x) { return f_(x); };
    f_of_.slope = [this](std::span<const number> x) { return f_(x); };
  }
  zoft::layout shape() const override { return f_.shape(); }
  double loss() override {
    const std::span<const double> x(x_);
    if constexpr (requires { f_.without_noise(x); })
      return f_.without_noise(x);
    else
      return f_(x);
  }
  zoft::step_report step(tuner& t) override { return t.step(std::span(x_), f_of_); }

 private:
  Function f_;
  std::vector<double> x_;
  objective f_of_;
};

template <class Function>
problem_kind kind_of() {
  // Exact slopes would leave out what noise there is.
  constexpr bool noisy = requires(const Function& f, std::span<const double> x) { f.without_noise(x); };
  return {Function::name, Function::epsilon, Function::forwards, !noisy, 0, [](std::uint64_t) {
            return std::make_unique<function_problem<Function>>();
          }};
}

}  // namespace

std::vector<problem_kind> functions() {
  return {kind_of<sphere>(),          kind_of<ellipsoid>(),           kind_of<rosenbrock>(), kind_of<rastrigin>(),
          kind_of<noisy_quadratic>(), kind_of<logistic_regression>(), kind_of<small_mlp>()};
}

curve run(const problem_kind& kind, const method& m, double rate, std::uint64_t seed, std::size_t marks) {
  const auto p = kind.make(seed);
  const auto t = m.make({.epsilon = kind.epsilon,
                         .rate = rate,
                         .seed = seed,
                         .forwards = kind.forwards,
                         .examples = kind.examples,
                         .rows = kind.rows,
                         .shape = p->shape()});
  const double start = p->loss();
  curve result{{0, start}};
  std::size_t used = 0;
  bool lost = false;
  for (std::size_t i = 1; i <= marks; ++i) {
    const std::size_t until = kind.forwards * i / marks;
    for (std::size_t rejected = 0; !lost && used < until;) {
      const auto report = p->step(*t);
      used += report.evaluations;
      rejected = report.status == zoft::status::ok ? 0 : rejected + 1;
      lost = rejected == 10;
    }
    const double now = lost ? 1e300 : p->loss();
    lost = lost || !(now < 1e6 * (1 + start));
    result.push_back({until, lost ? result.back().loss : now});
  }
  if (lost)
    for (mark& at : result) at.loss = at.forwards == 0 ? at.loss : 1e6 * (1 + start);
  return result;
}

}  // namespace estimators
