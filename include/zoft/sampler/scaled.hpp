#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../concepts.hpp"
#include "../core/extent.hpp"
#include "../engine/directions/at.hpp"
#include "../random/eight_sums.hpp"
#include "../random/formed.hpp"

namespace zoft::inline ZOFT_ISA {

/// The direction that is applied after z/d was evaluated.
enum class modified {
  variance,     ///< d ⊙ z: E ĝ is the gradient; d only changes how its variance is spread over the tensors
  expectation,  ///< z: E ĝ is the gradient divided by d
};

/// Perturbs by z/d, with z from another sampler, and applies d ⊙ z or z. d > 0 is one number for each tensor: the
/// user's own, or the tensor's root mean square at the start (1 if that is 0). Without a layout the whole buffer is one
/// tensor. MeZO with modified variance and expectation: Malladi et al. 2023, arXiv:2305.17333.
template <class Sampler>
struct scaled {
  static_assert(stateless_sampler<Sampler>, "scaled is made of a sampler that keeps nothing");

  Sampler sampler = {};                ///< makes z
  modified form = modified::variance;  ///< what is applied
  std::vector<double> scales = {};     ///< d of each tensor, in the layout's order; if empty, computed at the start

  std::vector<std::uint64_t> ends = {};  ///< end of each tensor; set at the start

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout& shape) {
    ends.clear();
    if (shape.empty()) ends.push_back(x.size());
    for (const tensor& t : shape) ends.push_back(t.offset + t.size());
    if (scales.empty()) {
      std::size_t first = 0;
      for (const std::uint64_t end : ends) {
        const auto n = static_cast<std::size_t>(end) - first;
        const double size = root_mean_square(x.subspan(first, n));
        scales.push_back(size > 0 ? size : 1.0);
        first += n;
      }
    }
    require(scales.size() == ends.size(),
            "scaled: scales has " + text(scales.size()) + " numbers, and there are " + text(ends.size()) + " tensors");
    for (const double d : scales)
      require(d >= 1e-30 && d <= 1e30, "scaled: a scale is " + text(d) + ", and must be from 1e-30 to 1e30");
  }

  /// The direction that is evaluated, and the one that is then applied. Both refer to this sampler.
  auto at(direction d) const { return times(d, -1); }
  auto applied(direction d) const { return times(d, form == modified::variance ? 1 : 0); }

  /// x[i] += a · at(d)[first + i]; a = 0 and errors as in random::drawn::axpy. There are no elements before `start`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  template <class Z>
  struct multiplied {
    Z z;
    const scaled& by;
    int power;  // exponent of d: −1, 0 or 1

    std::uint64_t elements() const { return by.ends.empty() ? 0 : std::min(random::elements_of(z), by.ends.back()); }

    template <number T>
    void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
      random::axpy_formed(x, a, first, elements(), [&](std::span<float> piece, std::uint64_t from) {
        z.axpy(piece, 1.0f, from);
        float factor[random::formed_at_once];
        auto t = static_cast<std::size_t>(std::upper_bound(by.ends.begin(), by.ends.end(), from) - by.ends.begin());
        for (std::size_t i = 0; i < piece.size(); ++t) {
          const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size() - i, by.ends[t] - from - i));
          const double d = by.scales[t];
          std::fill_n(factor + i, n, static_cast<float>(power < 0 ? 1 / d : power > 0 ? d : 1.0));
          i += n;
        }
        random::multiply(piece, factor);
      });
    }
  };

  auto times(direction d, int power) const {
    return multiplied<decltype(zoft::at(sampler, d))>{zoft::at(sampler, d), *this, power};
  }

  template <number T>
  static double root_mean_square(std::span<const T> x) {
    constexpr std::size_t piece = 1024;
    random::eight_sums squares;
    for (std::size_t first = 0; first < x.size(); first += piece) {
      double wide[piece] = {};
      for (std::size_t i = 0; i < std::min(piece, x.size() - first); ++i)
        wide[i] = static_cast<double>(static_cast<arithmetic_t<T>>(x[first + i]));
      squares.add(wide, wide, piece);
    }
    return std::sqrt(squares.total() / static_cast<double>(x.size()));
  }
};

template <class Sampler>
scaled(Sampler, modified) -> scaled<Sampler>;

}  // namespace zoft::inline ZOFT_ISA
