#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../random/axpy.hpp"
#include "../random/direction.hpp"
#include "../sampler/at.hpp"
#include "update.hpp"

namespace zoft::inline ZOFT_ISA {

/// ĝ = Σ cᵢzᵢ of a step, a piece at a time, in the arithmetic A. It refers to the sampler and to c.
template <class Sampler, class A>
class estimate {
  using made = std::optional<decltype(zoft::applied(std::declval<const Sampler&>(), direction{}))>;

 public:
  /// `first` is the direction of query 0. Pieces of the one at hand need not be made, where what is applied is what was
  /// evaluated.
  estimate(const Sampler& sampler, std::span<const double> c, direction first, std::optional<direction> at_hand)
      : c_(c), z_(c.size()) {
    if constexpr (requires { sampler.applied(first); }) at_hand.reset();
    for (std::uint32_t i = 0; i < c.size(); ++i) {
      const direction d{first.seed, first.step, i};
      if (at_hand != d) z_[i].emplace(zoft::applied(sampler, d));
    }
  }

  /// g (n, at most update::most) ← ĝ from element `first` on; z (n) is the same piece of the direction at hand.
  void operator()(std::span<A> g, std::uint64_t first, const A* z) const {
    A of_query[update::most];
    bool zero = true;
    for (std::size_t i = 0; i < c_.size(); ++i) {
      const A c = static_cast<A>(c_[i]);
      if (c == 0) continue;
      const A* z_i = z;
      if (z_[i]) {
        std::fill_n(of_query, g.size(), A{0});
        z_[i]->axpy(std::span<A>(of_query, g.size()), A{1}, first);
        z_i = of_query;
      }
      zero ? random::product<A>(g, c, z_i) : random::axpy<A>(g, c, z_i);
      zero = false;
    }
    if (zero) std::fill(g.begin(), g.end(), A{0});
  }

 private:
  std::span<const double> c_;
  std::vector<made> z_;  // none where it is at hand
};

}  // namespace zoft::inline ZOFT_ISA
