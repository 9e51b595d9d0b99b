/// Where the inputs of a linear lie.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../../core/direction.hpp"
#include "../../core/observations.hpp"
#include "../../random/normal.hpp"
#include "../../random/orthonormal.hpp"

namespace zoft::inline ZOFT_ISA {

/// The leading eigenvectors of XᵀX, for the inputs X that were shown, as orthonormal rows (rank, in). By orthogonal
/// iteration, so many times, from gaussians of d.
inline std::vector<double> principal_inputs(const observations& seen, const observations::entry& e, std::size_t rank,
                                            direction d, std::size_t iterations) {
  std::vector<double> q(rank * e.in), next(rank * e.in);
  random::drawn<random::normal>(d, random::stream::initialisation).axpy(std::span(q), 1.0);
  for (std::size_t i = 0; i < iterations; ++i) {
    random::orthonormalise(q, rank);
    std::fill(next.begin(), next.end(), 0.0);
    for (std::size_t slot = 0; slot < seen.slots(); ++slot) {
      const float* const x = e.inputs.data() + slot * e.in;
      for (std::size_t j = 0; j < rank; ++j)
        random::axpy<double>(std::span(next).subspan(j * e.in, e.in), random::dot(q.data() + j * e.in, x, e.in), x);
    }
    q.swap(next);
  }
  random::orthonormalise(q, rank);
  return q;
}

}  // namespace zoft::inline ZOFT_ISA
