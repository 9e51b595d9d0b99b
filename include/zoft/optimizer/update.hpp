/// What the optimizers have in common: the piece of the parameters that they are given, decay, and the descent itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "../layout.hpp"
#include "../random/axpy.hpp"
#include "../schedule/schedule.hpp"

namespace zoft::inline ZOFT_ISA {

/// Which tensors decay: all of them, or matrices only (no biases, no gains of norms). Any function of a tensor will do.
inline bool all(const tensor&) { return true; }
inline bool matrices(const tensor& t) { return t.is_matrix(); }

namespace update {

/// Elements [first, first + length of the spans) of the parameters, in one tensor, at one step.
struct piece {
  std::uint64_t first = 0;
  const tensor* owner = nullptr;  ///< none where the buffer has no layout
  double rate = 0;                ///< η of this step
  std::uint32_t step = 0;         ///< which step this is, from 0
};

/// One vector for each number type that a buffer may have; only the one in use is ever filled.
struct buffers {
  std::tuple<std::vector<float>, std::vector<double>, std::vector<bfloat16>, std::vector<half>> all;

  template <number T>
  std::vector<T>& of() {
    return std::get<std::vector<T>>(all);
  }
};

inline void check(const char* who, double learning_rate, double decay, const schedule& over) {
  const std::string name(who);
  require(learning_rate >= 0 && learning_rate < 1e300,
          name + ": learning_rate is " + text(learning_rate) + ", and must be at least 0");
  require(decay >= 0 && decay < 1e300, name + ": decay is " + text(decay) + ", and must be at least 0");
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
