/// The parts of a buffer that a step moves.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../layout.hpp"
#include "../random/direction.hpp"

namespace zoft::inline ZOFT_ISA {

/// Elements [first, first + size) of a buffer.
struct extent {
  std::size_t first = 0;
  std::size_t size = 0;
  const tensor* owner = nullptr;  ///< the tensor that it is, where the buffer has a layout
};

/// Which tensors of the layout the adapter trains in the step that d names: by its trains(layout, d), or its
/// trains(tensor) where that is the same in every step; without either, all.
template <class Adapter>
std::vector<bool> trained(const Adapter& adapter, const layout& shape, direction d) {
  if constexpr (requires { adapter.trains(shape, d); }) {
    return adapter.trains(shape, d);
  } else {
    std::vector<bool> result(shape.tensors().size(), true);
    if constexpr (requires(const tensor& t) { adapter.trains(t); })
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = adapter.trains(shape.tensors()[i]);
    return result;
  }
}

/// The tensors that a step moves, in order; the whole buffer where it has no layout.
template <class Adapter>
std::vector<extent> extents(const Adapter& adapter, const layout& shape, std::size_t size, direction d) {
  if (shape.empty()) return {{0, size, nullptr}};
  std::vector<extent> result;
  const std::vector<bool> moves = trained(adapter, shape, d);
  for (std::size_t i = 0; i < moves.size(); ++i)
    if (moves[i]) result.push_back({shape.tensors()[i].offset, shape.tensors()[i].size(), &shape.tensors()[i]});
  return result;
}

/// The same elements in as few extents as possible: for sweeps that need not know whose they are.
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
