#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>
#include <vector>

#include "../concepts.hpp"
#include "../core/extent.hpp"
#include "../engine/directions/at.hpp"
#include "../engine/directions/masked.hpp"

namespace zoft::inline ZOFT_ISA {

namespace random {

/// The k-th smallest |x|, k from 1 to n. It is found digit by digit from the bits, which sort as the numbers do, so no
/// copy of x is needed.
template <number T>
double magnitude(std::span<const T> x, std::size_t k) {
  using bits = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
  constexpr int width = 8 * sizeof(T), digit = 8;
  std::uint64_t found = 0;  // the digits known so far, in place
  for (int shift = width - digit; shift >= 0; shift -= digit) {
    std::vector<std::size_t> count(std::size_t{1} << digit);
    for (const T& v : x) {
      const std::uint64_t pattern = std::bit_cast<bits>(v) & (static_cast<bits>(~bits{0}) >> 1);
      if ((pattern ^ found) >> shift >> digit == 0) ++count[pattern >> shift & 0xffu];
    }
    std::size_t next = 0;
    for (; count[next] < k; ++next) k -= count[next];
    found |= std::uint64_t{next} << shift;
  }
  return static_cast<double>(static_cast<arithmetic_t<T>>(std::bit_cast<T>(static_cast<bits>(found))));
}

}  // namespace random

/// z = m ⊙ z′, where z′ comes from another sampler and m is 1 where |w| ≤ h: only small weights are perturbed and
/// updated. Each tensor has its own threshold h, chosen at the start so that a fraction `density` of its weights is
/// trained, rounded to a whole number of weights (plus any that tie with the last). The thresholds stay fixed. The mask
/// is made again from the weights after each update, so a weight that has grown beyond h rests from then on. Liu et al.
/// 2024, arXiv:2402.15751 (Sparse-MeZO).
///
/// The mask takes one bit a parameter. Weight decay belongs to the optimizer and is not masked.
template <class Sampler>
struct small_weights {
  static_assert(stateless_sampler<Sampler>, "small_weights is made of a sampler that keeps nothing");

  Sampler sampler = {};   ///< makes z′
  double density = 0.25;  ///< fraction of each tensor that is trained, in [0, 1]; the paper's sparsity is 1 − density

  std::vector<extent> tensors = {};      ///< set at the start
  std::vector<double> thresholds = {};   ///< h of each tensor; negative if none of it is trained
  std::vector<std::uint64_t> mask = {};  ///< m of element i is bit i mod 64 of word i / 64
  std::uint64_t size = 0;                ///< parameters; set at the start

  /// Called before the first step.
  template <number T>
  void start(std::span<const T> x, const layout& shape) {
    require(density >= 0 && density <= 1, "small_weights: density is " + text(density) + ", and must be in [0, 1]");
    tensors.clear();
    if (shape.empty()) tensors.push_back({0, x.size()});
    for (const tensor& t : shape) tensors.push_back({t.offset, t.size()});
    thresholds.clear();
    for (const extent& part : tensors) {
      const double share = simd::rounded<double>(density * static_cast<double>(part.size));
      const auto trained = static_cast<std::size_t>(std::floor(share + 0.5));
      thresholds.push_back(trained == 0 ? -1 : random::magnitude(x.subspan(part.first, part.size), trained));
    }
    size = x.size();
    cover(x);
  }

  /// `start` has the thresholds.
  template <class F>
  void each_state(F f) {
    f(mask);
  }

  /// Called after each update.
  template <number T>
  void learn(std::span<const T> x, std::span<const extent>, direction, std::span<const double>) {
    cover(x);
  }

  /// z(d), which refers to this sampler.
  auto at(direction d) const {
    return masked<decltype(zoft::at(sampler, d)), bits>{zoft::at(sampler, d), {mask.data(), size}};
  }

  /// x[i] += a · z(d)[first + i]. Where m is 0, and if a is 0, x keeps every bit. Errors as in random::drawn::axpy. z
  /// has no elements before `start`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  struct bits {
    const std::uint64_t* words;
    std::uint64_t size;

    struct tile_of_mask {
      const std::uint64_t* words;
      bool operator[](std::size_t i) const { return (words[i / 64] >> i % 64 & 1u) != 0; }
    };

    std::uint64_t elements() const { return size; }
    tile_of_mask of(std::uint64_t tile, std::size_t, std::size_t) const {
      return {words + tile * (random::mask_tile / 64)};
    }
  };

  template <number T>
  void cover(std::span<const T> x) {
    mask.assign((x.size() + 63) / 64, 0);
    for (std::size_t t = 0; t < tensors.size(); ++t)
      for (std::size_t i = tensors[t].first; i < tensors[t].first + tensors[t].size; ++i)
        if (std::abs(static_cast<double>(static_cast<arithmetic_t<T>>(x[i]))) <= thresholds[t])
          mask[i / 64] |= std::uint64_t{1} << i % 64;
  }
};

template <class Sampler>
small_weights(Sampler, double) -> small_weights<Sampler>;

}  // namespace zoft::inline ZOFT_ISA
