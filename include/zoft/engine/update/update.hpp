/// What the optimizers have in common: counts of updates, checks of options, and the descent with decay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "../../core/layout.hpp"
#include "../../core/piece.hpp"
#include "../../core/schedule.hpp"
#include "../../random/axpy.hpp"

namespace zoft::inline ZOFT_ISA {

namespace update {

/// How often each tensor was updated. Corrections for the start of a moving average must use this number, because steps
/// that were rejected, or in which the tensor rested, do not count.
class counts {
  struct entry {
    std::uint32_t updates = 0, step = 0;
  };

 public:
  /// The updates of the tensor that p is a piece of, including this step's.
  std::uint32_t operator()(const piece& p) {
    entry& e = tensors_[p.owner == nullptr ? 0 : p.owner->offset];
    if (e.updates == 0 || e.step != p.step) e = {e.updates + 1, p.step};
    return e.updates;
  }

  template <class F>
  void each_state(F f) {
    f(tensors_);
  }

 private:
  std::map<std::uint64_t, entry> tensors_;  // by offset
};

/// base to the power n, by products alone, so that the bits are the same everywhere.
inline double power(double base, std::uint64_t n) {
  double result = 1;
  for (; n > 0; n /= 2, base = simd::rounded(base * base))
    if (n % 2 == 1) result = simd::rounded(result * base);
  return result;
}

template <class A>
A sign(A value) {
  return static_cast<A>((value > 0) - (value < 0));
}

/// What every moving average's check() requires of its β.
inline void check_beta(const char* who, const char* name, double beta) {
  require(beta >= 0 && beta < 1, who, name, beta, "at least 0 and below 1");
}

inline void check_history(const char* who, std::size_t history) {
  require(history >= 1, who, "history", history, "at least 1");
}

/// What check() requires of a number that keeps a divisor from being 0.
inline void check_stability(const char* who, double stability) {
  require(stability > 0 && stability < 1e30, who, "stability", stability, "above 0");
}

inline void check(const char* who, double learning_rate, double decay, const schedule& over) {
  require(learning_rate >= 0 && learning_rate < 1e300, who, "learning_rate", learning_rate, "at least 0");
  require(decay >= 0 && decay < 1e300, who, "decay", decay, "at least 0");
  over.check();
}

/// x ← x − η(g + λx), rounded once into x. Leaves g + λx in g.
template <number T>
void descend(std::span<T> x, std::span<arithmetic_t<T>> g, const piece& p, double decay,
             bool (*decays)(const tensor&)) {
  using A = arithmetic_t<T>;
  if (decay > 0 && (p.owner == nullptr || decays(*p.owner))) random::axpy<A>(g, static_cast<A>(decay), x.data());
  random::axpy<T>(x, static_cast<A>(-p.rate), g.data());
}

}  // namespace update
}  // namespace zoft::inline ZOFT_ISA
