/// Directions with one element from each random word, made and used in one pass.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>

#include "axpy.hpp"
#include "stream.hpp"

namespace zoft::inline ZOFT_ISA::random {

/// The elements of a direction, 2⁵⁶, and the most that one span may have, 2⁴⁰.
inline constexpr std::uint64_t most_elements = std::uint64_t{1} << 56, most_at_once = std::uint64_t{1} << 40;

/// Throws unless n ≤ 2⁴⁰, elements first … first + n − 1 exist, and a is finite. Called before anything is written.
inline void check_axpy(std::uint64_t n, double a, std::uint64_t first, std::uint64_t elements = most_elements) {
  if (n > most_at_once) fail("axpy: the span has " + text(n) + " elements, and may have 2^40");
  if (first > elements || n > elements - first)
    fail("axpy: " + text(n) + " elements from element " + text(first) + " on were asked, and a direction has " +
         text(elements));
  if (!is_finite(a)) fail("axpy: the scale is " + text(a) + ", and must be finite");
}

/// The number of elements of a z(d).
template <class Z>
std::uint64_t elements_of(const Z& z) {
  if constexpr (requires { z.elements(); })
    return z.elements();
  else
    return most_elements;
}

/// Calls f(tile, skip, piece) for each piece of x that lies in one tile of `Elements`: piece[i] is element
/// Elements·tile + skip + i.
template <std::size_t Elements, class T, class F>
void for_each_tile(std::span<T> x, std::uint64_t first, F f) {
  for (std::size_t i = 0; i < x.size();) {
    const auto skip = static_cast<std::size_t>((first + i) % Elements);
    const std::size_t n = Elements - skip < x.size() - i ? Elements - skip : x.size() - i;
    f((first + i) / Elements, skip, x.subspan(i, n));
    i += n;
  }
}

struct unscaled {};
struct scaled {
  float value;
};

/// A direction whose element 64t + j is made from word 64t + j of a stream, alone or with the other words of its block.
/// A Transform is constructed from four vectors of words; after its steps it gives the four vectors of z in their
/// place. If Scaling is `scaled`, each element is then multiplied by one float and rounded.
template <class Transform, class Scaling = unscaled>
class drawn {
 public:
  drawn(direction d, stream s) requires std::same_as<Scaling, unscaled> : words_(d, s) {}
  drawn(direction d, stream s, float scale,
        std::uint64_t elements = most_elements) requires std::same_as<Scaling, scaled>
      : words_(d, s), scaling_{scale}, elements_(elements) {}

  std::uint64_t elements() const { return elements_; }

  /// x[i] += a · z[first + i]. If a is 0, x keeps every bit.
  /// Throws std::invalid_argument, before anything is written, if a is not finite, x is longer than 2⁴⁰, or z has no
  /// such elements.
  template <number T>
  void axpy(std::span<T> x, arithmetic_t<T> a, std::uint64_t first = 0) const {
    check_axpy(x.size(), a, first, elements_);
    if (a != 0) each(x, first, added<T>{a});
  }

  /// x[i] = z[first + i], in float or double; errors as above.
  template <class A>
  void draw(std::span<A> x, std::uint64_t first = 0) const {
    check_axpy(x.size(), 1, first, elements_);
    each(x, first, written<A>());
  }

 private:
  static constexpr std::size_t vectors = tile_blocks / simd::lanes;  // that hold one word of each block of a tile

  /// Calls f (`added` or `written`) for all of x.
  template <class T, class F>
  void each(std::span<T> x, std::uint64_t first, F f) const {
    if (x.empty()) return;
    source words = words_;
    const std::size_t head = std::min<std::size_t>(x.size(), (tile_words - first % tile_words) % tile_words);
    const std::size_t whole = (x.size() - head) / tile_words * tile_words;
    if (head > 0) part(words, x.first(head), f, first);
    if (whole > 0) tiles(words, x.subspan(head, whole), f, (first + head) / tile_words);
    if (head + whole < x.size()) part(words, x.subspan(head + whole), f, first + head + whole);
  }

  /// x is a number of whole tiles.
  template <class T, class F>
  void tiles(source& words, std::span<T> x, F f, std::uint64_t tile) const {
    const std::uint64_t first = tile * tile_blocks;
    const std::size_t count = x.size() / (4 * simd::lanes);
    block_words now = words.words(first);
    for (std::size_t v = 0; v < count; ++v) {
      // The next words are made between the steps that turn these into z: neither has to wait for the other.
      source::blocks next(words, first + (v + 1) * simd::lanes);
      Transform transform(now);
#pragma GCC unroll 10
      for (std::size_t i = 0; i < philox::rounds; ++i) {
        if (i < Transform::steps) transform.step(i);
        next.step(i);
      }
      simd::f32 z[4];
      finish(transform, z);
      T* const at = x.data() + v / vectors * tile_words + v % vectors * simd::lanes;
      if constexpr (vectors == 1) {
#pragma GCC unroll 2
        for (std::size_t j = 0; j < 4; j += 2) f(at + j * tile_blocks, z[j], z[j + 1]);
      } else {
#pragma GCC unroll 4
        for (std::size_t j = 0; j < 4; ++j) f(at + j * tile_blocks, z[j]);
      }
      now = next.words();
    }
  }

  /// x is shorter than a tile, and lies within one.
  template <class T, class F>
  void part(source& words, std::span<T> x, F f, std::uint64_t first) const {
    float tile[tile_words];
    for (std::size_t lane = 0; lane < tile_blocks; lane += simd::lanes) {
      Transform transform(words.words(first / tile_words * tile_blocks + lane));
      for (std::size_t i = 0; i < Transform::steps; ++i) transform.step(i);
      simd::f32 z[4];
      finish(transform, z);
      for (std::size_t j = 0; j < 4; ++j) simd::store(tile + j * tile_blocks + lane, z[j]);
    }
    f(x, tile + first % tile_words);
  }

  [[gnu::always_inline]] void finish(const Transform& transform, simd::f32 (&z)[4]) const {
    transform.finish(z);
    if constexpr (std::is_same_v<Scaling, scaled>)
#pragma GCC unroll 4
      for (simd::f32& v : z) v = simd::rounded<simd::f32>(scaling_.value * v);
  }

  source words_;
  [[no_unique_address]] Scaling scaling_;
  std::uint64_t elements_ = most_elements;
};

}  // namespace zoft::inline ZOFT_ISA::random
