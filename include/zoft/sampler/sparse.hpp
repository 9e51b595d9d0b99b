#pragma once

#include <cmath>

#include "../engine/directions/at.hpp"
#include "../engine/directions/masked.hpp"
#include "../random/symmetric.hpp"

namespace zoft::inline ZOFT_ISA {

/// z = m ⊙ z′, where z′ comes from another sampler and each element of m ∈ {0, 1}ⁿ is 1 with probability `density`:
/// only those parameters are perturbed and updated. E zzᵀ = diag(m): nothing is scaled up to compensate for what is
/// left out.
///
/// m belongs to the run and is the same for all steps and queries: element i is 1 if word i of the mask stream of
/// {seed, 0, 0} is below density·2³². `renewed` draws m again for each step, from {seed, step, 0}.
template <class Sampler>
struct sparse {
  Sampler sampler = {};  ///< makes z′
  double density = 0.1;  ///< probability that a parameter is trained, in (0, 1]
  bool renewed = false;  ///< whether each step has an m of its own

  /// z(d), which refers to this sampler. Throws std::invalid_argument if the density is not in (0, 1].
  auto at(direction d) const {
    if (!(density > 0 && density <= 1)) fail("sparse: the density is " + text(density) + ", and must be in (0, 1]");
    const auto greatest = static_cast<std::uint32_t>(std::ceil(std::ldexp(density, 32)) - 1);
    return masked<decltype(zoft::at(sampler, d)), seeded>{
        zoft::at(sampler, d), {random::source({d.seed, renewed ? d.step : 0, 0}, random::stream::mask), greatest}};
  }

  /// x[i] += a · z(d)[first + i]. Where m is 0, and if a is 0, x keeps every bit. Errors as in random::drawn::axpy,
  /// plus the errors of `at`.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, direction d, std::uint64_t first = 0) const {
    at(d).axpy(x, a, first);
  }

 private:
  struct seeded {
    random::source words;
    std::uint32_t greatest;  // greatest word that gives a 1 in the mask

    struct tile_of_mask {
      std::uint32_t word[random::mask_tile];
      std::uint32_t greatest;
      bool operator[](std::size_t i) const { return word[i] <= greatest; }
    };

    tile_of_mask of(std::uint64_t tile, std::size_t skip, std::size_t n) {
      tile_of_mask result;
      result.greatest = greatest;
      for (std::size_t i = skip / random::tile_words; i * random::tile_words < skip + n; ++i)
        words.tile(tile * (random::mask_tile / random::tile_words) + i, result.word + i * random::tile_words);
      return result;
    }
  };
};

template <class Sampler>
sparse(Sampler, double) -> sparse<Sampler>;
template <class Sampler>
sparse(Sampler, double, bool) -> sparse<Sampler>;

}  // namespace zoft::inline ZOFT_ISA
