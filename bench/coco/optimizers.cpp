// Optimizers behind one C interface, for run.py: each minimises a function of n numbers from x. It ends when the
// function says so by NaN, which is after its budget, or earlier of itself. Those that were not found are left out.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>
#include <zoft/minimize.hpp>
#ifdef ZOFT_BENCH_ENSMALLEN
#include <ensmallen.hpp>
#endif
#ifdef ZOFT_BENCH_NLOPT
#include <nlopt.hpp>
#endif

namespace {

using value = double (*)(const double*);

struct over {};

/// f, which throws when it is over.
struct objective {
  value f;

  double operator()(const double* x) const {
    const double result = f(x);
    if (std::isnan(result)) throw over{};
    return result;
  }
};

template <class Run>
void until_over(Run run) {
  try {
    run();
  } catch (const over&) {
  }
}

#ifdef ZOFT_BENCH_ENSMALLEN
struct of_matrix {
  objective f;
  double Evaluate(const arma::mat& x) { return f(x.memptr()); }
};
#endif

#ifdef ZOFT_BENCH_NLOPT
void by_nlopt(nlopt::algorithm algorithm, double* x, std::size_t n, value f, std::size_t evaluations) {
  until_over([&] {
    nlopt::opt opt(algorithm, static_cast<unsigned>(n));
    opt.set_min_objective(nlopt::vfunc([](const std::vector<double>& at, std::vector<double>&, void* data) {
                            return (*static_cast<const objective*>(data))(at.data());
                          }),
                          &f);
    opt.set_xtol_rel(1e-9);
    opt.set_maxeval(static_cast<int>(evaluations));
    std::vector<double> at(x, x + n);
    double lowest = 0;
    try {
      opt.optimize(at, lowest);
    } catch (const nlopt::roundoff_limited&) {  // it can do no better
    } catch (const std::runtime_error&) {       // it has failed, and is started again elsewhere
    }
  });
}
#endif

}  // namespace

extern "C" {

void zoft_minimize(double* x, std::size_t n, value f, std::size_t evaluations, std::uint64_t seed) {
  until_over([&] {
    const objective counted{f};
    const std::size_t least = 200;  // it needs these to measure; the budget ends it all the same
    zoft::minimize(std::span(x, n), [&](std::span<const double> at) { return counted(at.data()); },
                   {.seed = seed, .evaluations = std::max(evaluations, least)});
  });
}

#ifdef ZOFT_BENCH_ENSMALLEN
void ensmallen_spsa(double* x, std::size_t n, value f, std::size_t, std::uint64_t seed) {
  until_over([&] {
    arma::arma_rng::set_seed(static_cast<arma::arma_rng::seed_type>(seed));
    of_matrix function{{f}};
    arma::mat at(x, n, 1);
    ens::SPSA().Optimize(function, at);
  });
}
#endif

#ifdef ZOFT_BENCH_NLOPT
void nlopt_sbplx(double* x, std::size_t n, value f, std::size_t evaluations, std::uint64_t) {
  by_nlopt(nlopt::LN_SBPLX, x, n, f, evaluations);
}

void nlopt_bobyqa(double* x, std::size_t n, value f, std::size_t evaluations, std::uint64_t) {
  by_nlopt(nlopt::LN_BOBYQA, x, n, f, evaluations);
}
#endif
}
