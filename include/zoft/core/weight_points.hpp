/// Points around a model's weights, as seen by the code that evaluates it there: no ownership, no policy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "candidates.hpp"
#include "number.hpp"

namespace zoft::inline ZOFT_ISA {

/// Candidate g is θ + points[g].scale · z(points[g].query), for weights that are widened to T. θ belongs to the model.
/// z is a function of the element, so any thread can make any piece of any candidate at any time.
template <number T>
struct weight_points {
  std::vector<point> points;  ///< the candidates
  std::vector<bool> moves;    ///< for each tensor of the model's weights_layout(): whether z is added to it

  /// z[i] ← z(query)[first + i], with elements counted as in weights_layout()
  std::function<void(std::size_t query, std::uint64_t first, std::span<arithmetic_t<T>> z)> noise;

  std::size_t size() const { return points.size(); }  ///< how many
};

}  // namespace zoft::inline ZOFT_ISA
