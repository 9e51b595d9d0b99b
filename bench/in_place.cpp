// The three sweeps of a MeZO step over a buffer in place: to +ε, to −ε, and back with the update. Each is timed by
// itself, from one call of a functor that does nothing to the next, and compared with a plain axpy of two arrays, which
// runs before and after the step. Everything runs on one thread and is measured in processor time: see ratios.hpp.
#include <array>
#include <ctime>
#include <string>
#include <vector>
#include <zoft/mezo.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "ratios.hpp"

namespace {

using bench::add, bench::measured;
using zoft::restore;

constexpr std::size_t elements = std::size_t{16} << 20;
constexpr const char* sweeps[] = {"perturb", "perturb by -2", "restore and update"};

double now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// Ordinary weights, and the tuner that has been moving them; one of each kind is kept from row to row.
template <class Sampler, class T>
struct subject {
  explicit subject(restore how)
      : tuner(Sampler{}, zoft::two_point{.epsilon = 1e-3}, zoft::full{.restore = how}, zoft::sgd{.learning_rate = 1e-9},
              zoft::seed{42}) {
    std::vector<float> z(elements);
    zoft::gaussian{}.axpy(std::span(z), 0.02f, zoft::direction{1, 0, 0});
    weights.assign(elements, T());
    for (std::size_t i = 0; i < elements; ++i) weights[i] = T(z[i]);
    times();  // the first step looks at more than a step does
  }

  std::array<double, 3> times() {
    std::array<double, 4> at{};
    std::size_t call = 0;
    at[call++] = now();
    tuner.step(std::span(weights), [&](std::span<const T>) {
      at[call++] = now();
      return 1.0 + static_cast<double>(call);
    });
    at[call] = now();
    return {at[1] - at[0], at[2] - at[1], at[3] - at[2]};
  }

  std::vector<T> weights;
  zoft::engine<Sampler, zoft::two_point, zoft::full, zoft::sgd> tuner;
};

template <class Sampler, class T>
subject<Sampler, T>& kept(restore how) {
  static subject<Sampler, T> exact(restore::exact), drifting(restore::drifting);
  return how == restore::exact ? exact : drifting;
}

template <class Sampler, class T>
measured rate(restore how, std::size_t sweep) {
  const auto times = kept<Sampler, T>(how).times();
  return {1e-9 * static_cast<double>(elements) / times[sweep], times[0] + times[1] + times[2]};
}

template <class Sampler, class T>
measured over_axpy(restore how, std::size_t sweep) {
  static std::vector<T> x(elements, T(0.5f));
  static const std::vector<float> z(elements, 1.0f);
  const auto axpy = [] {
    const double start = now();
    zoft::random::axpy<T>(x, 1e-3f, z.data());
    benchmark::ClobberMemory();
    return now() - start;
  };
  const double before = axpy();
  const auto times = kept<Sampler, T>(how).times();
  return {(before + axpy()) / 2 / times[sweep], times[0] + times[1] + times[2]};
}

template <class T>
void add_rows(const std::string& type, double wanted_rate, double wanted_share) {
  for (const restore how : {restore::exact, restore::drifting})
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string name = type + (how == restore::exact ? " exact" : " drifting") + "/" + sweeps[i];
      add("gaussian " + name, "10^9 elements/s", 15, {.at_least = wanted_rate},
          [=] { return rate<zoft::gaussian, T>(how, i); });
      add("rademacher " + name, "rate / that of a plain axpy", 15, {.at_least = wanted_share},
          [=] { return over_axpy<zoft::rademacher, T>(how, i); });
    }
}

const bool registered = [] {
  add_rows<float>("f32", 1, 0.8);
  add_rows<zoft::bfloat16>("bf16", 0, 0);
  add_rows<zoft::half>("f16", 0, 0);
  return true;
}();

}  // namespace
