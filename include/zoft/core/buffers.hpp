#pragma once

#include <tuple>
#include <vector>

#include "number.hpp"

namespace zoft::inline ZOFT_ISA::update {

/// One vector for each number type that a buffer may have; only the one in use is ever filled.
struct buffers {
  std::tuple<std::vector<float>, std::vector<double>, std::vector<bfloat16>, std::vector<half>> all;

  template <number T>
  std::vector<T>& of() {
    return std::get<std::vector<T>>(all);
  }
};

}  // namespace zoft::inline ZOFT_ISA::update
