/// The pieces in which optimizers are given the parameters.
#pragma once

#include <cstddef>
#include <cstdint>

#include "layout.hpp"

namespace zoft::inline ZOFT_ISA::update {

/// The most elements that a piece can have.
inline constexpr std::size_t most = 2048;

/// Elements [first, first + n) of the parameters, all in one tensor, at one step; n is the length of the spans given
/// with it.
struct piece {
  std::uint64_t first = 0;
  const tensor* owner = nullptr;  ///< null if the buffer has no layout
  double rate = 0;                ///< η of this step
  std::uint32_t step = 0;         ///< which step this is, from 0
};

}  // namespace zoft::inline ZOFT_ISA::update
