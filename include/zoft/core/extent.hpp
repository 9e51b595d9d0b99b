/// The parts of a buffer that a step moves.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// Elements [first, first + size) of a buffer.
struct extent {
  std::size_t first = 0;          ///< the first element
  std::size_t size = 0;           ///< how many
  const tensor* owner = nullptr;  ///< the tensor that it is in, if the buffer has a layout
};

/// The same elements in as few extents as possible, for sweeps that do not need to know their tensors.
inline std::vector<extent> joined(std::span<const extent> parts) {
  std::vector<extent> result;
  for (const extent& part : parts) {
    if (!result.empty() && result.back().first + result.back().size == part.first)
      result.back().size += part.size;
    else
      result.push_back({part.first, part.size, nullptr});
  }
  return result;
}

/// Calls f(first, n, owner) for pieces of at most `most` elements, each within one extent.
template <class F>
void for_each_piece(std::span<const extent> parts, std::size_t most, F f) {
  for (const extent& part : parts)
    for (std::size_t done = 0; done < part.size; done += most)
      f(part.first + done, std::min(most, part.size - done), part.owner);
}

}  // namespace zoft::inline ZOFT_ISA
