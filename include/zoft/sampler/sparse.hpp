#pragma once

#include <algorithm>
#include <cmath>

#include "../random/symmetric.hpp"
#include "at.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = m ⊙ z′, z′ of another sampler and m ∈ {0, 1}ⁿ, each element 1 with probability `density`: only those parameters
/// are perturbed and updated. E zzᵀ is 1 on m's diagonal and 0 elsewhere, so nothing is scaled up for what is left out.
///
/// m is the run's own, the same for all steps and queries: element i is 1 where word i of the mask's stream of
/// {seed, 0, 0} is below density·2³². `renewed` makes it anew for each step, of {seed, step, 0}.
template <class Sampler>
struct sparse {
  Sampler sampler = {};
  double density = 0.1;  ///< in (0, 1]
  bool renewed = false;

  /// z(d), which refers to this sampler. Throws std::invalid_argument where the density is not in (0, 1].
  auto at(direction d) const {
    if (!(density > 0 && density <= 1)) fail("sparse: the density is " + text(density) + ", and must be in (0, 1]");
    const auto greatest = static_cast<std::uint32_t>(std::ceil(std::ldexp(density, 32)) - 1);
    return masked<decltype(zoft::at(sampler, d))>{
        zoft::at(sampler, d), random::source({d.seed, renewed ? d.step : 0, 0}, random::stream::mask), greatest};
  }

  /// x[i] += a · z(d)[first + i]; where m or a is 0, x keeps every bit. Errors as in random::drawn::axpy, and of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  template <class Z>
  struct masked {
    Z z;
    random::source mask;
    std::uint32_t greatest;  // word that is a 1 in the mask

    std::uint64_t elements() const { return random::elements_of(z); }

    template <number T>
    void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
      random::check_axpy(x.size(), a, first, elements());
      constexpr std::size_t chunk = 16 * random::tile_words;
      random::source words = mask;
      random::for_each_tile<chunk>(x, first, [&](std::uint64_t index, std::size_t skip, std::span<T> piece) {
        std::uint32_t word[chunk];
        for (std::size_t i = skip / random::tile_words; i * random::tile_words < skip + piece.size(); ++i)
          words.tile(index * (chunk / random::tile_words) + i, word + i * random::tile_words);
        T moved[chunk];
        std::copy(piece.begin(), piece.end(), moved);
        z.axpy(std::span<T>(moved, piece.size()), a, index * chunk + skip);
        for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = word[skip + i] <= greatest ? moved[i] : piece[i];
      });
    }
  };
};

template <class Sampler>
sparse(Sampler, double) -> sparse<Sampler>;
template <class Sampler>
sparse(Sampler, double, bool) -> sparse<Sampler>;

}  // namespace zoft::inline ZOFT_ISA
