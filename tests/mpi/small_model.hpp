// A model of two linears, for adapters.
#pragma once

#include "support.hpp"

namespace mpi_test {

struct small_model {
  zoft::layout linears;
  small_model() {
    linears.add("up", 20, 12);
    linears.add("down", 12, 20);
  }
  const zoft::layout& layout() const { return linears; }

  /// Σ |s·BA − target|² over the linears, the target's entries 0.01·(row − column).
  double loss(const zoft::low_rank_stack& adapters, std::size_t group) const {
    double sum = 0;
    for (const zoft::tensor& t : linears) {
      const zoft::low_rank& l = *adapters.find(t.name);
      for (std::size_t row = 0; row < l.out; ++row)
        for (std::size_t column = 0; column < l.in; ++column) {
          double v = -0.01 * (static_cast<double>(row) - static_cast<double>(column));
          for (std::size_t k = 0; k < l.rank; ++k)
            v += static_cast<double>(l.scale_of(group) * l.b_of(group)[row * l.rank + k]) *
                 static_cast<double>(l.a_of(group)[k * l.in + column]);
          sum += v * v;
        }
    }
    return sum;
  }
};

}  // namespace mpi_test
