/// The parts of the parameters that an adapter trains in a step.
#pragma once

#include <cstddef>
#include <vector>

#include "../../core/direction.hpp"
#include "../../core/extent.hpp"
#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// Which tensors of the layout the adapter trains in the step that d names. The adapter's trains(layout, d) decides, or
/// its trains(tensor) if the answer is the same in every step. Without either, all tensors are trained.
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

/// The tensors that a step moves, in order; the whole buffer if it has no layout.
template <class Adapter>
std::vector<extent> extents(const Adapter& adapter, const layout& shape, std::size_t size, direction d) {
  if (shape.empty()) return {{0, size, nullptr}};
  std::vector<extent> result;
  const std::vector<bool> moves = trained(adapter, shape, d);
  for (std::size_t i = 0; i < moves.size(); ++i)
    if (moves[i]) result.push_back({shape.tensors()[i].offset, shape.tensors()[i].size(), &shape.tensors()[i]});
  return result;
}

}  // namespace zoft::inline ZOFT_ISA
