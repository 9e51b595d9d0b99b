// What a step costs on N ranks, on paper. Its losses are dealt out in U units of w seconds each. The rank that has most
// makes g candidates, in s seconds each, and every rank makes the whole update, in u seconds:
//
//     T(N) = ⌈U/N⌉·w + g(N)·s + u + r·α·⌈log₂ N⌉ + e(N)·v·w·√⌈U/N⌉
//
// α is the latency of a message, and an all-gather of few bytes takes ⌈log₂ N⌉ of them, in each of r rounds. If units
// vary by themselves with a coefficient of variation v, the slowest of N ranks is late by the last term, e(N) being the
// expected largest of N standard normal numbers. Gain is T(1)/T(N), efficiency that over N.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>
#include <zoft/mpi/deal.hpp>
#include <zoft/sampler/gaussian.hpp>

namespace bench {

struct cost {
  std::size_t units = 16;       ///< U
  double unit = 1;              ///< w, seconds
  std::size_t candidates = 16;  ///< of a step; each has U / candidates units, where these are pairs
  double candidate = 0;         ///< s, seconds
  double update = 0;            ///< u, seconds
  double latency = 0;           ///< α, seconds
  double variation = 0;         ///< v
  std::size_t rounds = 1;       ///< r

  /// ⌈U/N⌉
  std::size_t most(std::size_t ranks) const { return (units + ranks - 1) / ranks; }
  /// g
  double made(std::size_t ranks) const {
    const std::size_t each = units / candidates;
    std::size_t result = 0;
    for (std::size_t r = 0; r < ranks; ++r) result = std::max(result, candidates_of(r, ranks, each));
    return static_cast<double>(result);
  }
  /// Those of which a rank has some units, of so many each.
  std::size_t candidates_of(std::size_t rank, std::size_t ranks, std::size_t each) const {
    const zoft::mpi::range own = zoft::mpi::part(units, 1, rank, ranks);
    return own.count == 0 ? 0 : (own.first + own.count - 1) / each - own.first / each + 1;
  }
};

inline double messages(std::size_t ranks) { return ranks == 1 ? 0 : std::ceil(std::log2(static_cast<double>(ranks))); }

/// e(N) = ∫ x dΦ(x)ᴺ
inline double largest_of(std::size_t n) {
  constexpr double step = 1e-3;
  double result = 0;
  for (double x = -10 + step / 2; x < 10; x += step) {
    const double below = std::pow(std::erfc(-x / std::sqrt(2.0)) / 2, static_cast<double>(n));
    result += step * ((x > 0 ? 1 : 0) - below);
  }
  return result;
}

/// T(N)
inline double predicted(const cost& c, std::size_t ranks) {
  const auto n = static_cast<double>(c.most(ranks));
  return n * c.unit + c.made(ranks) * c.candidate + c.update +
         static_cast<double>(c.rounds) * c.latency * messages(ranks) +
         largest_of(ranks) * c.variation * c.unit * std::sqrt(n);
}

inline double efficiency(double alone, double together, std::size_t ranks) {
  return alone / (static_cast<double>(ranks) * together);
}

/// Lognormal numbers of mean 1 and coefficient of variation v: the same for the same name.
inline std::vector<double> varying(std::size_t n, double v, zoft::direction name) {
  std::vector<double> result(n);
  zoft::gaussian{}.axpy(std::span(result), 1.0, name);
  const double sigma = std::sqrt(std::log1p(v * v));
  for (double& x : result) x = std::exp(sigma * x - sigma * sigma / 2);
  return result;
}

}  // namespace bench
