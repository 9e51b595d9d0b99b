/// The piece of the parameters that an optimizer is given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "layout.hpp"

namespace zoft::inline ZOFT_ISA::update {

/// Elements that a piece has at most.
inline constexpr std::size_t most = 2048;

/// Elements [first, first + length of the spans) of the parameters, in one tensor, at one step.
struct piece {
  std::uint64_t first = 0;
  const tensor* owner = nullptr;  ///< none where the buffer has no layout
  double rate = 0;                ///< η of this step
  std::uint32_t step = 0;         ///< which step this is, from 0
};

}  // namespace zoft::inline ZOFT_ISA::update
