#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../../core/direction.hpp"
#include "../../random/axpy.hpp"
#include "../directions/at.hpp"
#include "../directions/step_directions.hpp"
#include "update.hpp"

namespace zoft::inline ZOFT_ISA {

/// ĝ = Σ cᵢzᵢ of a step, a piece at a time, in the arithmetic A. Keeps references to the directions and to c.
template <class Sampler, class A>
class estimate {
 public:
  /// `first` is the direction of query 0. `at_hand` is a direction whose pieces the caller already has. They are not
  /// made again, unless the sampler applies another direction than the one evaluated. If there is no other direction,
  /// what the sampler computes once a direction is saved, too.
  estimate(const Sampler& sampler, step_directions<Sampler>& directions, std::span<const double> c, direction first,
           std::optional<direction> at_hand)
      : c_(c) {
    if constexpr (!requires { sampler.applied(first); })
      if (at_hand && at_hand->step == first.step) at_hand_ = at_hand->query;
    if (c.size() > 1 || at_hand_ != 0u) z_ = &directions.of(sampler, first, c.size());
  }

  /// g (n, at most update::most) ← ĝ from element `first` on; z (n) is the same piece of the direction at hand.
  void operator()(std::span<A> g, std::uint64_t first, const A* z) const {
    A of_query[update::most];
    bool zero = true;
    for (std::size_t i = 0; i < c_.size(); ++i) {
      const A c = static_cast<A>(c_[i]);
      if (c == 0) continue;
      const A* z_i = z;
      if (at_hand_ != i) {
        draw((*z_)[i], std::span<A>(of_query, g.size()), first);
        z_i = of_query;
      }
      zero ? random::product<A>(g, c, z_i) : random::axpy<A>(g, c, z_i);
      zero = false;
    }
    if (zero) std::fill(g.begin(), g.end(), A{0});
  }

 private:
  std::span<const double> c_;
  std::optional<std::size_t> at_hand_;
  const std::vector<typename step_directions<Sampler>::value_type>* z_ = nullptr;
};

}  // namespace zoft::inline ZOFT_ISA
