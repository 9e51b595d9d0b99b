/// The estimates of earlier steps, rebuilt from their coefficients.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "../../core/layout.hpp"
#include "../../random/axpy.hpp"
#include "../directions/at.hpp"
#include "../points/extents.hpp"
#include "update.hpp"

namespace zoft::inline ZOFT_ISA {

/// The coefficients of the last applied steps, and their rates. These q + 1 numbers a step are enough to rebuild ĝ and
/// η, since z is a function of (seed, step, query).
class past_steps {
  struct entry {
    std::uint32_t step;
    double rate;
    std::vector<double> c;

    template <class F>
    void each_state(F f) {
      f(step), f(rate), f(c);
    }
  };

 public:
  /// ĝ of those steps, rebuilt a piece at a time, so that no buffer of its size is needed.
  template <class Sampler, class Adapter>
  class replayed {
    using direction_type = decltype(zoft::applied(std::declval<const Sampler&>(), direction{}));

   public:
    replayed(const past_steps& past, const Sampler& sampler, const Adapter& adapter, const layout& shape, seed run)
        : shape_(shape), steps_(past.steps_) {
      for (const entry& e : steps_) {
        trained_.push_back(trained(adapter, shape, direction{run.value, e.step, 0}));
        z_.emplace_back();
        for (std::uint32_t i = 0; i < e.c.size(); ++i)
          z_.back().push_back(zoft::applied(sampler, direction{run.value, e.step, i}));
      }
    }

    std::size_t steps() const { return steps_.size(); }  ///< how many steps there are

    /// Element `first` of a tensor, at the last applied step but j.
    update::piece piece(std::size_t j, std::uint64_t first, const tensor* owner) const {
      return {first, owner, steps_[j].rate, steps_[j].step};
    }

    /// g ← piece p of ĝ at the last applied step but j. If the piece's tensor rested in that step, returns false and
    /// does not write g.
    template <class A>
    bool operator()(std::size_t j, std::span<A> g, const update::piece& p) const {
      if (p.owner != nullptr && !trained_[j][static_cast<std::size_t>(p.owner - shape_.tensors().data())]) return false;
      std::fill(g.begin(), g.end(), A{0});
      for (std::size_t i = 0; i < z_[j].size(); ++i) z_[j][i].axpy(g, static_cast<A>(steps_[j].c[i]), p.first);
      return true;
    }

   private:
    const layout& shape_;
    const std::deque<entry>& steps_;
    std::vector<std::vector<bool>> trained_;  // by step and tensor
    std::vector<std::vector<direction_type>> z_;
  };

  template <class Sampler, class Adapter>
  replayed<Sampler, Adapter> replay(const Sampler& sampler, const Adapter& adapter, const layout& shape,
                                    seed run) const {
    return {*this, sampler, adapter, shape, run};
  }

  /// Adds the latest step, and forgets the oldest ones beyond `most`.
  void remember(std::uint32_t step, double rate, const std::vector<double>& c, std::size_t most) {
    steps_.push_front({step, rate, c});
    while (steps_.size() > most) steps_.pop_back();
  }

  template <class F>
  void each_state(F f) {
    f(steps_);
  }

 private:
  std::deque<entry> steps_;
};

}  // namespace zoft::inline ZOFT_ISA
