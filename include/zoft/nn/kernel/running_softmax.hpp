/// The softmax of attention, one block of keys at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "tile.hpp"

namespace zoft::inline ZOFT_ISA::nn::kernel {

/// The softmax of one row of scores that come in blocks (Milakov and Gimelshein 2018, arXiv:1805.02867; Dao et al.
/// 2022, arXiv:2205.14135): weights are relative to the greatest score so far, and what was summed is scaled when that
/// changes.
struct running_softmax {
  // Not −∞, because −∞ − (−∞) is NaN. This way scores of −∞, such as those of hidden keys, become weights of 0.
  float greatest = std::numeric_limits<float>::lowest();
  float total = 0;     ///< Σ of the weights
  float of_block = 0;  ///< the greatest score of the last block
};

/// The scores of a row that are seen, [first, end) of a block, and the cap of scores s: cap·tanh(s/cap), if it is not
/// 0.
struct seen_keys {
  std::size_t first, end;
  float cap;
};

/// Scores of `Keys` keys become the weights e^(s − greatest), as elements of the unit: floats in their place, or pairs
/// of bfloat16 at `weights`. Hidden keys get 0. Returns what the sums of earlier blocks are to be multiplied by.
template <class Unit, std::size_t Keys>
struct softmax_block {
  using floats = typename Unit::floats;
  static constexpr std::size_t lanes = floats::size, vectors = Keys / lanes;

  static float add(float* scores, typename Unit::element* weights, const seen_keys& seen, running_softmax& row) {
    floats s[vectors];
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) s[v] = floats::load_unaligned(scores + v * lanes);
    if (seen.cap != 0)
      for (floats& value : s) value = floats(seen.cap) * xsimd::tanh(value / floats(seen.cap));
    if (seen.first > 0 || seen.end < Keys) hide(s, seen);

    const float before = row.greatest;
    floats greatest = s[0];
#pragma GCC unroll 16
    for (std::size_t v = 1; v < vectors; ++v) greatest = xsimd::max(greatest, s[v]);
    row.of_block = simd::greatest<typename Unit::arch>(greatest);
    row.greatest = row.of_block > before ? row.of_block : before;
    // Exactly 1 where the greatest score did not change.
    const float scale = row.greatest == before ? 1.0f : exponential(floats(before - row.greatest)).get(0);
    row.total = row.total * scale + simd::sum<typename Unit::arch>(weigh(s, floats(row.greatest), weights));
    return scale;
  }

 private:
  static void hide(floats (&s)[vectors], const seen_keys& seen) {
    alignas(64) float places[lanes];
    for (std::size_t i = 0; i < lanes; ++i) places[i] = static_cast<float>(i);
    const floats place = floats::load_aligned(places), none(-std::numeric_limits<float>::infinity());
    for (std::size_t v = 0; v < vectors; ++v) {
      const floats at = place + floats(static_cast<float>(v * lanes));
      const auto sees = floats(static_cast<float>(seen.first)) <= at && at < floats(static_cast<float>(seen.end));
      s[v] = xsimd::select(sees, s[v], none);
    }
  }

#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)
  static constexpr bool in_pairs = Unit::inputs == 2;

  /// eˣ for x ≤ 0, to 2⁻¹⁷ and what rounding x·log₂e does: more than bfloat16 keeps. 2ᶠ for f in [0, 1) is a
  /// polynomial that is exactly 1 at 0.
  [[gnu::always_inline]] static floats nearly_exponential(const floats& x) {
    const floats t = x * floats(1.44269504f), f(_mm512_maskz_reduce_ps(0xffff, t, 0x09));
    floats p(0.0134266847f);
    p = simd::fma<typename Unit::arch>(p, f, floats(0.0522424728f));
    p = simd::fma<typename Unit::arch>(p, f, floats(0.241280198f));
    p = simd::fma<typename Unit::arch>(p, f, floats(0.693044841f));
    p = simd::fma<typename Unit::arch>(p, f, floats(1.0f));
    return floats(_mm512_maskz_scalef_ps(0xffff, p, t));
  }
#else
  static constexpr bool in_pairs = false;
#endif

  /// eˣ for x ≤ 0 or NaN. Does not rely on xsimd for e^−∞, which differs between versions.
  static floats exponential(const floats& x) { return xsimd::select(x < floats(-104.0f), floats(0.0f), xsimd::exp(x)); }

  /// Writes the weights, and returns their sums. What is summed is what the values are multiplied by, rounded: so the
  /// weights of a row sum to 1.
  static floats weigh(const floats (&s)[vectors], const floats& greatest, typename Unit::element* weights) {
    floats sum(0.0f);
    if constexpr (in_pairs) {
#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)
#pragma GCC unroll 8
      for (std::size_t v = 0; v < vectors; v += 2) {
        const floats first = nearly_exponential(s[v] - greatest), second = nearly_exponential(s[v + 1] - greatest);
        const auto pairs = reinterpret_cast<simd::u32>(_mm512_cvtne2ps_pbh(second, first));
        simd::store(weights + v / 2 * lanes, pairs);
        sum += floats(reinterpret_cast<typename floats::register_type>(pairs << 16));
        sum += floats(reinterpret_cast<typename floats::register_type>(pairs & 0xffff0000u));
      }
#endif
    } else {
#pragma GCC unroll 16
      for (std::size_t v = 0; v < vectors; ++v) {
        const floats p = exponential(s[v] - greatest);
        p.store_unaligned(weights + v * lanes);
        sum += p;
      }
    }
    return sum;
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel
