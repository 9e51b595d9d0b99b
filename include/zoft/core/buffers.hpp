#pragma once

#include <cstdint>
#include <span>
#include <tuple>
#include <type_traits>
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

  template <class F>
  void each_state(F f) {
    std::apply([&](auto&... each) { (f(each), ...); }, all);
  }

  /// to[i] ← element first + i of the vector in use, whose arithmetic must be A
  template <class A>
  void widen(std::uint64_t first, std::span<A> to) const {
    const auto from = [&]<class T>(const std::vector<T>& one) {
      if constexpr (std::is_same_v<arithmetic_t<T>, A>)
        if (!one.empty())
          for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<A>(one[first + i]);
    };
    std::apply([&](const auto&... each) { (from(each), ...); }, all);
  }
};

}  // namespace zoft::inline ZOFT_ISA::update
