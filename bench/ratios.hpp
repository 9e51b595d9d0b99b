// Ratios of times that are measured in turn, in one run: each repetition is one turn of what is measured between two of
// what it is compared with, and makes one ratio, so that their median is little disturbed by what else the machine
// does. A row's label says what the ratio is of; at_least or at_most is what it is meant to reach, or 0.
#pragma once

#include <string>
#include <utility>

#include "peaks.hpp"

namespace bench {

struct bound {
  double at_least = 0, at_most = 0;
};

struct measured {
  double ratio, step_seconds;
};

/// Seconds of a(), which runs before and after b(), and of b().
template <class A, class B>
std::pair<double, double> beside(A a, B b) {
  const double before = seconds(a), between = seconds(b), after = seconds(a);
  return {(before + after) / 2, between};
}

/// A row; f() measures it once.
template <class F>
void add(const std::string& name, const char* ratio, int repetitions, bound wanted, F f) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=](benchmark::State& state) {
                                 for (auto _ : state) {
                                   const measured m = f();
                                   state.SetIterationTime(m.step_seconds);
                                   state.counters["ratio"] = m.ratio;
                                   state.counters["at_least"] = wanted.at_least;
                                   state.counters["at_most"] = wanted.at_most;
                                 }
                                 state.SetLabel(ratio);
                               })
      ->Iterations(1)
      ->Repetitions(repetitions)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace bench
