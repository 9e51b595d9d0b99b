/// Parameters as an optimizer sees them: in the arithmetic of their type, and rounded when they are written back.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/dtype.hpp"
#include "../../core/extent.hpp"
#include "../../core/piece.hpp"
#include "../../random/rounding_words.hpp"
#include "../../simd/rounding.hpp"
#include "../../simd/storage.hpp"
#include "rounding.hpp"

namespace zoft::inline ZOFT_ISA::update {

/// How many parameters an update should have moved, because their estimate is not 0, and how many it did move.
struct tally {
  std::uint64_t asked = 0;
  std::uint64_t moved = 0;
  bool others = false;  ///< whether, of those that are not counted, some should have moved

  /// 0 if none should have moved and none did; 1 if only others should have.
  double share() const {
    if (moved >= asked) return moved > 0 || others ? 1.0 : 0.0;
    return static_cast<double>(moved) / static_cast<double>(asked);
  }
};

/// How many of the counted elements of a piece should move, or whether others should where none of these does.
struct asked {
  std::size_t counted = 0;
  bool others = false;

  asked(std::size_t of_counted = 0) : counted(of_counted) {}
};

/// Rounds wide (n), elements first, first + 1, …, to numbers of type T, still held as floats.
template <class T>
void round_stochastic(std::span<float> wide, std::uint64_t first, random::rounding_words words) {
  std::uint16_t drawn[most];
  words.draw(std::span(drawn, wide.size()), first);
  std::size_t i = 0;
  for (; i + simd::lanes <= wide.size(); i += simd::lanes) {
    using narrow [[gnu::vector_size(simd::register_bytes / 2)]] = std::uint16_t;
    const simd::u32 bits = __builtin_convertvector(simd::load<narrow>(drawn + i), simd::u32);
    simd::store(wide.data() + i, simd::stochastic<T>::round(simd::load<simd::f32>(wide.data() + i), bits));
  }
  for (; i < wide.size(); ++i)
    wide[i] = simd::stochastic<T>::round(simd::splat(wide[i]), simd::splat(std::uint32_t{drawn[i]}))[0];
}

/// Calls f(i, n) for each run of counted elements, first + i … first + i + n − 1, among the `size` from `first` on.
template <class F>
void for_each_sample(std::uint64_t first, std::size_t size, F f) {
  for (std::size_t i = 0; i < size;) {
    const auto skip = static_cast<std::size_t>((first + i) % counted_every);
    if (skip < counted_together) f(i, std::min(counted_together - skip, size - i));
    i += counted_every - skip;
  }
}

/// Which elements have an estimate g (n) that is not 0.
template <class A>
asked count_asked(std::uint64_t first, std::span<const A> g) {
  asked result;
  for_each_sample(first, g.size(),
                  [&](std::size_t i, std::size_t n) { result.counted += simd::count_nonzero(g.data() + i, n); });
  if (result.counted == 0) result.others = simd::count_nonzero(g.data(), g.size()) > 0;
  return result;
}

/// Rounds the updates of one run. The random bits for an element depend on (seed, step, pass, element) alone, so the
/// result is the same for pieces of any size, in any order, on any number of threads.
class update_rounding {
 public:
  explicit update_rounding(rounding how) : how_(how) {}
  update_rounding(const update_rounding& other) : how_(other.how_) {}
  update_rounding& operator=(const update_rounding& other) {
    how_ = other.how_;
    return *this;
  }

  /// Called before the update of the step that d names.
  void begin(direction d) {
    pass_ = {d.seed, d.step, 0};
    asked_ = moved_ = 0;
    others_ = false;
  }
  /// Called before each pass over the parameters: each pass has random bits of its own.
  void next_pass() { ++pass_.query; }
  tally counted() const { return {asked_, moved_, others_}; }

  /// Updates x (n), elements first, first + 1, …, by f(std::span<A>), which changes them in T's arithmetic A and
  /// returns which should move: see count_asked. They are then rounded to T or, if T is float, to the type that the
  /// owner keeps them as.
  template <class T, class Owner, class F>
  void apply(std::span<T> x, std::uint64_t first, const Owner& owner, const tensor* of, F f) {
    using A = arithmetic_t<T>;
    alignas(64) A before[most];
    std::span<A> piece;
    alignas(64) A wide[sizeof(T) == 2 ? most : 1];
    if constexpr (sizeof(T) == 2) {
      piece = std::span<A>(wide, x.size());
      widen<T>(x, wide);
    } else {
      piece = x;
    }
    for_each_sample(first, piece.size(),
                    [&](std::size_t i, std::size_t n) { std::copy_n(piece.data() + i, n, before + i); });
    const asked of_piece = f(piece);
    asked_.fetch_add(of_piece.counted, std::memory_order_relaxed);
    if (of_piece.others) others_.store(true, std::memory_order_relaxed);
    if constexpr (sizeof(T) == 2) {
      round<T>(piece, first);
      narrow<T>(wide, x);
    } else if constexpr (!Owner::kept_as_value_type && std::is_same_v<A, float>) {
      const nn::dtype kept = owner.kept_as(of);
      if (kept == nn::dtype::bf16) round<bfloat16>(piece, first);
      if (kept == nn::dtype::f16) round<half>(piece, first);
    }
    std::size_t moved = 0;
    for_each_sample(first, piece.size(), [&](std::size_t i, std::size_t n) {
      moved += simd::count_changed(before + i, piece.data() + i, n);
    });
    moved_.fetch_add(moved, std::memory_order_relaxed);
  }

 private:
  template <class Kept>
  [[gnu::noinline]] void round(std::span<float> wide, std::uint64_t first) const {
    if (how_ == rounding::stochastic) return round_stochastic<Kept>(wide, first, random::rounding_words(pass_));
    Kept nearest[most];
    narrow<Kept>(wide.data(), std::span(nearest, wide.size()));
    widen<Kept>(std::span<const Kept>(nearest, wide.size()), wide.data());
  }

  template <class T>
  [[gnu::noinline]] static void widen(std::span<const T> from, float* to) {
    std::size_t i = 0;
    for (; i + simd::lanes <= from.size(); i += simd::lanes) simd::store(to + i, simd::load_wide(from.data() + i));
    for (; i < from.size(); ++i) to[i] = static_cast<float>(from[i]);
  }
  template <class T>
  [[gnu::noinline]] static void narrow(const float* from, std::span<T> to) {
    std::size_t i = 0;
    for (; i + simd::lanes <= to.size(); i += simd::lanes)
      simd::store_narrow(to.data() + i, simd::load<simd::f32>(from + i));
    for (; i < to.size(); ++i) to[i] = T(from[i]);
  }

  rounding how_;
  direction pass_;
  std::atomic<std::uint64_t> asked_ = 0, moved_ = 0;
  std::atomic<bool> others_ = false;
};

/// Parameters x, of a type of zoft::parameters, as an optimizer goes over them: in pieces, in the arithmetic of x's
/// type.
template <class X>
class rounded {
 public:
  using stored_type = typename X::value_type;
  using value_type = arithmetic_t<stored_type>;

  rounded(const X& x, update_rounding& by) : x_(x), by_(by) {}

  /// The numbers as they are stored, if they are in one buffer.
  std::span<const stored_type> stored() const requires requires(const X& x) { std::span<stored_type>(x.values); }
  { return x_.values; }

  /// Calls f(first, piece, owner, z) for pieces of at most update::most elements. f may change them, and returns
  /// which should move. See parameters::buffer for z, and weighted_model for `together`.
  template <class F>
  void update(std::span<const extent> parts, bool together, F f) const {
    by_.next_pass();
    x_.update(parts, together,
              [&](std::size_t first, std::span<stored_type> piece, const tensor* owner, const value_type* z) {
                by_.template apply<stored_type>(piece, first, x_, owner,
                                                [&](std::span<value_type> wide) { return f(first, wide, owner, z); });
              });
  }

 private:
  const X& x_;
  update_rounding& by_;
};

}  // namespace zoft::inline ZOFT_ISA::update
