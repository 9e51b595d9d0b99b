// What tuning by zoft::autotune is worth. For each problem, every ε and η of a grid runs with the whole budget of
// losses. autotune, with its defaults, pays for the losses that it asks for out of the same budget. "watched" tunes
// again when a zoft::rate_watch says so; near the end it halves the rate instead. An excess is the loss without noise,
// after the run, minus its minimum as far as that is known. Figures are medians over seeds.
//
//   bench_autotune [CSV]        prints a table, and writes the same rows to the file
//
// "ratio" is the watched run's excess divided by that of the grid's best. "logs" is log(initial excess / excess) of it
// divided by that of the grid's best: if a loss falls in proportion to itself, as most here do, a run of 0.9 times the
// length has 0.9 there. "within" means a ratio of at most 1.1 or logs of at least 0.9.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>
#include <zoft/mezo.hpp>
#include <zoft/rate_watch.hpp>

namespace {

constexpr std::uint64_t seeds = 9;
constexpr double radii[] = {1e-4, 1e-3, 1e-2, 1e-1};
constexpr int rates = 8;  // half a decade apart

template <class T>
using loss = std::function<double(std::span<const T>)>;

template <class T>
struct problem {
  std::string name;
  std::size_t steps;  // two losses each
  double least_rate;  // where the grid's rates begin
  std::vector<T> start;
  loss<T> f;           // without noise
  double optimum = 0;  // of f, as far as known
  double noise = 0;    // σ of what is added to it
};

std::vector<double> drawn(std::size_t n, std::uint32_t name) {
  std::vector<double> z(n, 0.0);
  zoft::gaussian{}.axpy(std::span(z), 1.0, zoft::direction{2024, name, 0});
  return z;
}

template <class T>
std::vector<T> to(const std::vector<double>& x, double scale = 1) {
  std::vector<T> result;
  for (const double v : x) result.push_back(static_cast<T>(scale * v));
  return result;
}

template <class T>
double sphere(std::span<const T> x) {
  double sum = 0;
  for (const T v : x) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

template <class T>
double ellipsoid(std::span<const T> x, double condition) {
  std::vector<double> y(x.begin(), x.end());
  for (std::size_t i = 0; i + 1 < y.size(); ++i) {
    const double a = y[i], b = y[i + 1];
    y[i] = std::cos(1.0) * a - std::sin(1.0) * b;
    y[i + 1] = std::sin(1.0) * a + std::cos(1.0) * b;
  }
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i)
    sum += std::pow(condition, static_cast<double>(i) / static_cast<double>(y.size() - 1)) * y[i] * y[i];
  return sum;
}

template <class T>
double rosenbrock(std::span<const T> x) {
  double sum = 0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = static_cast<double>(x[i]), b = static_cast<double>(x[i + 1]);
    sum += 100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a);
  }
  return sum;
}

template <class T>
double quartic(std::span<const T> x) {
  double sum = 0;
  for (const T v : x)
    sum += std::pow(static_cast<double>(v), 4) + 0.1 * static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

template <class T>
double log_cosh(std::span<const T> x) {
  double sum = 0;
  for (const T v : x) sum += std::log(std::cosh(static_cast<double>(v) - 1));
  return sum;
}

// Two overlapping clouds: labels of a hidden linear rule, one in ten of them wrong; with 1e-2/2·|w|².
struct logistic {
  std::size_t examples, inputs;
  std::vector<double> x = drawn(examples * inputs, 1), rule = drawn(inputs, 2), y{};

  logistic(std::size_t count, std::size_t width) : examples(count), inputs(width) {
    for (std::size_t e = 0; e < examples; ++e) {
      double out = 0;
      for (std::size_t i = 0; i < inputs; ++i) out += rule[i] * x[e * inputs + i];
      y.push_back((out > 0) == (e % 10 != 0) ? 1 : -1);
    }
  }
  template <class T>
  double operator()(std::span<const T> w) const {
    double sum = 0;
    for (std::size_t e = 0; e < examples; ++e) {
      double out = 0;
      for (std::size_t i = 0; i < inputs; ++i) out += static_cast<double>(w[i]) * x[e * inputs + i];
      sum += std::log1p(std::exp(-y[e] * out));
    }
    return sum / static_cast<double>(examples) + 0.5e-2 * sphere(w);
  }
  double optimum() const {
    std::vector<double> w(inputs, 0.0);
    for (int step = 0; step < 4000; ++step) {
      std::vector<double> g(inputs, 0.0);
      for (std::size_t e = 0; e < examples; ++e) {
        double out = 0;
        for (std::size_t i = 0; i < inputs; ++i) out += w[i] * x[e * inputs + i];
        const double slope = -y[e] / (1 + std::exp(y[e] * out)) / static_cast<double>(examples);
        for (std::size_t i = 0; i < inputs; ++i) g[i] += slope * x[e * inputs + i];
      }
      for (std::size_t i = 0; i < inputs; ++i) w[i] -= 0.5 * (g[i] + 1e-2 * w[i]);
    }
    return (*this)(std::span<const double>(w));
  }
};

// tanh units between inputs and one output, squared errors, in the parameters' own precision.
struct network {
  std::size_t examples, inputs, units;
  std::vector<double> x = drawn(examples * inputs, 3), y{};

  network(std::size_t count, std::size_t width, std::size_t hidden) : examples(count), inputs(width), units(hidden) {
    for (std::size_t e = 0; e < examples; ++e)
      y.push_back(std::sin(x[e * inputs] + x[e * inputs + 1]) + 0.5 * x[e * inputs + 2]);
  }
  std::size_t parameters() const { return units * (inputs + 2); }
  std::vector<double> start() const {
    std::vector<double> w = drawn(parameters(), 4);
    for (std::size_t i = 0; i < units * inputs; ++i) w[i] /= std::sqrt(static_cast<double>(inputs));
    for (std::size_t i = units * inputs; i < w.size(); ++i) w[i] /= std::sqrt(static_cast<double>(units));
    return w;
  }
  template <class T>
  loss<T> in() const {
    return [this, data = to<T>(x)](std::span<const T> w) {
      double sum = 0;
      std::vector<T> hidden(units);
      for (std::size_t e = 0; e < examples; ++e) {
        std::copy_n(w.data() + units * inputs, units, hidden.data());
        for (std::size_t i = 0; i < inputs; ++i)
          for (std::size_t u = 0; u < units; ++u) hidden[u] += w[i * units + u] * data[e * inputs + i];
        T out = 0;
        for (std::size_t u = 0; u < units; ++u) out += w[units * (inputs + 1) + u] * std::tanh(hidden[u]);
        const double error = static_cast<double>(out) - y[e];
        sum += error * error;
      }
      return sum / static_cast<double>(examples);
    };
  }
};

template <class T>
std::vector<problem<T>> problems() {
  static const logistic regression(200, 50);
  static const network mlp(64, 24, 38);
  const auto ill = [](std::span<const T> x) { return ellipsoid(x, 1e6); };
  const auto quadratic = [](std::span<const T> x) { return ellipsoid(x, 10.0); };
  return {
      {"sphere", 3000, 3e-4, to<T>(drawn(100, 5)), sphere<T>},
      {"ellipsoid 1e6", 5000, 1e-9, to<T>(drawn(10, 6)), ill},
      {"Rosenbrock", 5000, 1e-6, to<T>({-1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1, -1.2, 1}), rosenbrock<T>},
      {"Rosenbrock from 0", 5000, 1e-6, std::vector<T>(10, T{0}), rosenbrock<T>},
      {"quartic", 3000, 1e-6, to<T>(drawn(50, 8)), quartic<T>},
      {"log cosh, noisy", 3000, 1e-4, to<T>(drawn(50, 9), 3), log_cosh<T>, 0, 0.1},
      {"noisy quadratic", 2000, 1e-5, to<T>(drawn(50, 7)), quadratic, 0, 1e-3},
      {"logistic regression", 2000, 1e-3, std::vector<T>(50, T{0}), regression, regression.optimum()},
      {"MLP", 3000, 1e-5, to<T>(mlp.start()), mlp.in<T>()},
  };
}

// f, with the problem's noise, a draw for each call.
template <class T>
auto noisy(const problem<T>& p, std::uint64_t seed) {
  return [&p, seed, call = std::uint32_t{0}](std::span<const T> x) mutable {
    double z = 0;
    if (p.noise > 0) zoft::gaussian{}.axpy(std::span(&z, 1), 1.0, zoft::direction{seed, call++, 9});
    return p.f(x) + p.noise * z;
  };
}

constexpr double infinite = std::numeric_limits<double>::infinity();

double median(std::vector<double> v) {
  for (double& x : v)
    if (std::isnan(x)) x = infinite;
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

struct outcome {
  double epsilon = 0, rate = 0, excess = infinite, evaluations = 0;
  double tunings = 0, watched = infinite;  // of the watched run: how often it was tuned, and its excess
};

/// Steps for so many losses, from x on.
template <class Tuner, class T>
double excess_after(Tuner& tuner, const problem<T>& p, std::size_t evaluations, std::uint64_t seed) {
  auto x = p.start;
  auto f = noisy(p, seed);
  for (std::size_t spent = 0; spent + 2 <= evaluations; spent += 2) tuner.step(std::span(x), f);
  return p.f(x) - p.optimum;
}

/// The same for a tuned tuner that is watched, and how often it was tuned.
template <class Tuner, class T>
std::pair<double, double> excess_watched(Tuner tuner, const problem<T>& p, const zoft::autotune_report& found,
                                         std::size_t evaluations, std::uint64_t seed) {
  auto x = p.start;
  auto f = noisy(p, seed);
  double tunings = 1;
  zoft::rate_watch watch(tuner, found);
  for (std::size_t spent = found.evaluations; spent + 2 <= evaluations; spent += 2) {
    if (!watch.too_large(tuner.step(std::span(x), f))) continue;
    if (std::isfinite(p.f(x)) && evaluations - spent >= 1000) {
      const auto again = zoft::autotune(tuner, std::span(x), f, {.evaluations = (evaluations - spent) / 10});
      watch = {tuner, again};
      spent += again.evaluations;
    } else {
      tuner.optimizer().learning_rate /= 2;
      watch = {tuner, found};
    }
    ++tunings;
  }
  return {p.f(x) - p.optimum, tunings};
}

template <class T>
outcome best_of_grid(const problem<T>& p) {
  outcome best;
  for (const double epsilon : radii)
    for (int i = 0; i < rates; ++i) {
      const double rate = p.least_rate * std::pow(10.0, 0.5 * i);
      std::vector<double> excess;
      for (std::uint64_t seed = 0; seed < seeds; ++seed) {
        auto tuner = zoft::mezo({.epsilon = epsilon, .learning_rate = rate, .seed = seed});
        excess.push_back(excess_after(tuner, p, 2 * p.steps, seed));
      }
      if (median(excess) < best.excess) best = {epsilon, rate, median(excess), 2.0 * static_cast<double>(p.steps)};
    }
  return best;
}

template <class T>
outcome tuned(const problem<T>& p) {
  std::vector<double> epsilon, rate, excess, evaluations, watched, tunings;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    auto tuner = zoft::mezo({.seed = seed});
    auto x = p.start;
    const auto found = zoft::autotune(tuner, std::span(x), noisy(p, seed + seeds));
    epsilon.push_back(found.epsilon);
    rate.push_back(found.learning_rate);
    evaluations.push_back(static_cast<double>(found.evaluations));
    const auto [end, times] = excess_watched(tuner, p, found, 2 * p.steps, seed);
    watched.push_back(end);
    tunings.push_back(times);
    excess.push_back(excess_after(tuner, p, 2 * p.steps - std::min(2 * p.steps, found.evaluations), seed));
  }
  return {median(epsilon), median(rate), median(excess), median(evaluations), median(tunings), median(watched)};
}

template <class T>
void compare(const char* type, std::FILE* csv) {
  for (const problem<T>& p : problems<T>()) {
    const double initial = p.f(p.start) - p.optimum;
    const outcome grid = best_of_grid(p), automatic = tuned(p);
    const double ratio = automatic.watched / grid.excess;
    const double logs = std::log(initial / automatic.watched) / std::log(initial / grid.excess);
    const char* within = ratio <= 1.1 || logs >= 0.9 ? "yes" : "no";
    std::printf(
        "%-20s %-6s %5zu %6zu %8.2e | %7.1e %7.1e %8.2e | %7.1e %7.1e %5.0f %8.2e | %8.2e %5.0f | %8.2g %7.2f %6s\n",
        p.name.c_str(), type, p.start.size(), 2 * p.steps, initial, grid.epsilon, grid.rate, grid.excess,
        automatic.epsilon, automatic.rate, automatic.evaluations, automatic.excess, automatic.watched,
        automatic.tunings, ratio, logs, within);
    std::fflush(stdout);
    if (csv != nullptr)
      std::fprintf(csv, "%s,%s,%zu,%zu,%g,%g,%g,%g,%g,%g,%g,%g,%g,%g,%g,%g,%s\n", p.name.c_str(), type, p.start.size(),
                   2 * p.steps, initial, grid.epsilon, grid.rate, grid.excess, automatic.epsilon, automatic.rate,
                   automatic.evaluations, automatic.excess, automatic.watched, automatic.tunings, ratio, logs, within);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::FILE* csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  if (argc > 1 && csv == nullptr) {
    std::fprintf(stderr, "bench_autotune: %s cannot be written\n", argv[1]);
    return 1;
  }
  if (csv != nullptr)
    std::fprintf(csv,
                 "problem,type,n,losses,initial,grid_epsilon,grid_rate,grid_excess,epsilon,rate,tuning_losses,excess,"
                 "watched,tunings,ratio,logs,within\n");
  std::printf("%-20s %-6s %5s %6s %8s | %-24s | %-30s | %-14s | %8s %7s %6s\n", "", "type", "n", "losses", "excess at",
              "the grid's best", "autotune", "watched", "ratio", "logs", "within");
  std::printf("%-20s %-6s %5s %6s %8s | %7s %7s %8s | %7s %7s %5s %8s | %8s %5s |\n", "", "", "", "", "start", "eps",
              "rate", "excess", "eps", "rate", "spent", "excess", "excess", "tuned");
  compare<double>("double", csv);
  compare<float>("float", csv);
  if (csv != nullptr) std::fclose(csv);
}
