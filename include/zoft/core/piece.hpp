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
  std::uint64_t first = 0;        ///< its first element, of all parameters
  const tensor* owner = nullptr;  ///< null if the buffer has no layout
  double rate = 0;                ///< η of this step
  std::uint32_t step = 0;         ///< which step this is, from 0
};

/// Of each 1024 elements, the first 64 are counted for step_report::moved. Counting all would take a tenth of a step.
/// @{
inline constexpr std::size_t counted_every = 1024;
inline constexpr std::size_t counted_together = 64;
/// @}

}  // namespace zoft::inline ZOFT_ISA::update
