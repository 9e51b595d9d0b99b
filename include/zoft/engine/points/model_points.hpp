/// Points around a model's weights, in the form that the model is shown.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "../../concepts.hpp"
#include "../../core/weight_points.hpp"
#include "../directions/step_directions.hpp"
#include "low_rank_points.hpp"

namespace zoft::inline ZOFT_ISA {

/// If the sampler's directions are of low rank, an adapter_stack of what is added beside the weights; otherwise
/// weight_points. Both are valid until the next call.
template <class Sampler>
class model_points {
 public:
  template <number T>
  auto show(const Sampler& sampler, step_directions<Sampler>& directions, direction step, std::size_t queries,
            const layout& shape, const std::vector<bool>& moves, const std::vector<point>& points) {
    if constexpr (observing_sampler<Sampler>) {
      const auto at_theta = [](const point& p) { return p.scale == 0; };
      if (std::all_of(points.begin(), points.end(), at_theta)) return adapter_stack(points.size());
      return low_rank_.show(shape, moves, directions.of(sampler, step, queries), points);
    } else if constexpr (low_rank_sampler<Sampler>) {
      return low_rank_.show(shape, moves, directions.of(sampler, step, queries), factored_sampler<Sampler>, step,
                            points);
    } else {
      const auto z = std::make_shared<std::vector<decltype(zoft::at(sampler, step))>>();
      for (std::uint32_t i = 0; i < queries; ++i) z->push_back(zoft::at(sampler, direction{step.seed, step.step, i}));
      return weight_points<T>{
          points, moves,
          [z](std::size_t query, std::uint64_t first, std::span<arithmetic_t<T>> to) { draw((*z)[query], to, first); }};
    }
  }

 private:
  struct nothing {};
  [[no_unique_address]] std::conditional_t<low_rank_sampler<Sampler>, low_rank_points,
                                           std::conditional_t<observing_sampler<Sampler>, viewed_points, nothing>>
      low_rank_;
};

}  // namespace zoft::inline ZOFT_ISA
