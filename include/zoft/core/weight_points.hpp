/// Points around a model's weights, as seen by whoever evaluates it there: no owner, no policy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "candidates.hpp"
#include "number.hpp"

namespace zoft::inline ZOFT_ISA {

/// Candidate g is θ + points[g].scale · z(points[g].query), for weights that are widened to T. θ is the model's own,
/// and z a function of the element, so that any piece of any candidate can be made at any time, by any thread.
template <number T>
struct weight_points {
  std::vector<point> points;
  std::vector<bool> moves;  ///< for each tensor of the model's weights_layout(); z is not to be added to the others

  /// z[i] ← z(query)[first + i], of elements of the weights_layout()
  std::function<void(std::size_t query, std::uint64_t first, std::span<arithmetic_t<T>> z)> noise;

  std::size_t size() const { return points.size(); }
};

}  // namespace zoft::inline ZOFT_ISA
