// minimize as it comes, with no number but a limit, beside MeZO at the best constant rate of a grid, which spends as
// many evaluations in each run. Loss without noise at the end, medians and ranges over seeds.
//
//   bench_minimize
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>
#include <zoft/mezo.hpp>
#include <zoft/minimize.hpp>

namespace {

constexpr std::uint64_t seeds = 7;

using point = std::span<const double>;

struct problem {
  std::string name;
  std::function<double(point)> f;
  std::vector<double> start;
  std::size_t evaluations;
  double noise;    // σ of each value
  double epsilon;  // for the grid
};

double rosenbrock(point v) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < v.size(); ++i)
    sum += std::pow(1 - v[i], 2) + 100 * std::pow(v[i + 1] - v[i] * v[i], 2);
  return sum;
}
double sphere(point v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return sum;
}
double ellipsoid(point v) {
  double sum = 0;
  for (std::size_t i = 0; i < v.size(); ++i)
    sum += std::pow(1e6, static_cast<double>(i) / static_cast<double>(v.size() - 1)) * v[i] * v[i];
  return sum;
}
double log_cosh(point v) {
  double sum = 0;
  for (const double x : v) sum += std::log(std::cosh(x));
  return sum;
}

std::vector<problem> problems() {
  const std::vector<double> valley{-1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1};
  std::vector<problem> all{{"Rosenbrock, 2", rosenbrock, {-1.2, 1}, 100'000, 0, 1e-6},
                           {"Rosenbrock, 10", rosenbrock, valley, 11'000, 0, 1e-6},
                           {"Rosenbrock, 10", rosenbrock, valley, 100'000, 0, 1e-6},
                           {"Rosenbrock from 0, 10", rosenbrock, std::vector<double>(10, 0.0), 11'000, 0, 1e-6},
                           {"sphere, 30", sphere, std::vector<double>(30, 1.0), 2'000, 0, 1e-4},
                           {"ellipsoid of condition 1e6, 10", ellipsoid, valley, 100'000, 0, 1e-6},
                           {"log cosh, 20", log_cosh, std::vector<double>(20, 3.0), 2'000, 0, 1e-4}};
  for (const std::size_t n : {2'000u, 10'000u, 40'000u})
    all.push_back({"log cosh with noise 1, 20", log_cosh, std::vector<double>(20, 1.0), n, 1.0, 1.0});
  return all;
}

struct noisy {
  const problem& p;
  std::uint64_t seed;
  std::uint32_t calls = 0;

  double operator()(point v) {
    double z = 0;
    if (p.noise > 0) zoft::gaussian{}.axpy(std::span(&z, 1), p.noise, zoft::direction{seed + 1000, calls++, 0});
    return p.f(v) + z;
  }
};

struct summary {
  double least, median, most;
};
template <class Run>
summary over_seeds(Run run) {
  std::vector<double> ends;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) ends.push_back(run(seed));
  std::sort(ends.begin(), ends.end());
  return {ends.front(), ends[seeds / 2], ends.back()};
}

}  // namespace

int main() {
  std::printf(
      "| function, numbers | evaluations | at the start | best constant rate | minimize |\n|---|---|---|---|---|\n");
  for (const problem& p : problems()) {
    const summary tuned = over_seeds([&](std::uint64_t seed) {
      std::vector<double> x = p.start;
      noisy f{p, seed};
      zoft::minimize(std::span(x), f, {.seed = seed, .evaluations = p.evaluations});
      return p.f(x);
    });
    summary best{0, HUGE_VAL, 0};
    double rate_of_best = 0;
    for (double rate = 1; rate > 1e-9; rate /= 2) {
      const summary now = over_seeds([&](std::uint64_t seed) {
        std::vector<double> x = p.start;
        noisy f{p, seed};
        auto tuner = zoft::mezo({.epsilon = p.epsilon, .learning_rate = rate, .seed = seed});
        for (std::size_t spent = 0; spent < p.evaluations; spent += 2) tuner.step(std::span(x), f);
        const double end = p.f(x);
        return std::isfinite(end) ? end : HUGE_VAL;
      });
      if (now.median < best.median) best = now, rate_of_best = rate;
    }
    std::printf("| %s | %zu | %.3g | %.2g (%.2g to %.2g), at %.2g | %.2g (%.2g to %.2g) |\n", p.name.c_str(),
                p.evaluations, p.f(p.start), best.median, best.least, best.most, rate_of_best, tuned.median,
                tuned.least, tuned.most);
  }
}
