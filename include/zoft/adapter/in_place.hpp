/// A buffer that is moved to θ + a·z and comes back exactly, in every number type.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "../candidates.hpp"
#include "../random/axpy.hpp"
#include "../random/direction.hpp"
#include "../sampler/at.hpp"
#include "extent.hpp"

namespace zoft::inline ZOFT_ISA {

/// Adding a·z and subtracting it again does not give back what was there: each rounding may lose the last bits of θ,
/// more of them where |θ| is small beside |a·z|. After some hundred such cycles a bfloat16 weight has drifted by
/// several per cent. So a byte a parameter keeps what the subtraction misses, counted in representable numbers:
///
///     x' = round(θ + a·z)    θ̂ = round(x' − a·z)    code = ordinal(θ) − ordinal(θ̂)
///
/// and the few θ whose code does not fit a byte are kept themselves. Any sequence of points leaves no trace.
template <number T>
class in_place {
  using A = arithmetic_t<T>;

 public:
  static constexpr std::size_t chunk = 2048;

  /// x (n) from wherever it is to θ + p.scale·z(d), or to θ itself where p.scale is 0. One sweep.
  template <class Sampler>
  void move(std::span<T> x, const Sampler& sampler, const point& p, direction d) {
    const extent whole{0, x.size()};
    move(x, std::span(&whole, 1), sampler, p, d);
  }

  /// The same within these extents of x, in order, and nowhere else. They stay the same until x is back at θ.
  template <class Sampler>
  void move(std::span<T> x, std::span<const extent> parts, const Sampler& sampler, const point& p, direction d) {
    std::size_t moved = 0, slot = 0;
    for (const extent& part : parts) moved += part.size;
    codes_.resize(moved);
    std::vector<kept> before;
    before.swap(kept_);
    const place from = at_, to{d, static_cast<A>(p.scale)};
    std::size_t cursor = 0;
    const bool recovers = from.scale != 0, another = to.scale != 0 && !(recovers && from.d == to.d);
    std::optional<decltype(zoft::at(sampler, d))> z_from, z_to;
    if (recovers) z_from.emplace(zoft::at(sampler, from.d));
    if (another) z_to.emplace(zoft::at(sampler, to.d));
    for_each_piece(parts, chunk, [&](std::size_t first, std::size_t n, const tensor*) {
      const std::span<T> piece = x.subspan(first, n);
      A z[chunk];
      if (recovers) {
        make(*z_from, std::span<A>(z, n), first);
        recover(piece, slot, from.scale, z, before, cursor);
      }
      if (to.scale != 0) {
        if (another) make(*z_to, std::span<A>(z, n), first);
        perturb(piece, slot, to.scale, z);
      }
      slot += n;
    });
    at_ = to;
  }

  /// x back to θ.
  template <class Sampler>
  void restore(std::span<T> x, const Sampler& sampler) {
    if (at_.scale != 0) move(x, sampler, point{}, at_.d);
  }
  template <class Sampler>
  void restore(std::span<T> x, std::span<const extent> parts, const Sampler& sampler) {
    if (at_.scale != 0) move(x, parts, sampler, point{}, at_.d);
  }

 private:
  using bits =
      std::conditional_t<sizeof(T) == 8, std::int64_t, std::conditional_t<sizeof(T) == 4, std::int32_t, std::int16_t>>;
  static constexpr int out_of_range = -128;

  struct place {
    direction d;
    A scale = 0;
  };
  struct kept {
    std::size_t slot;
    T value;
  };

  /// Counts the representable numbers in order: neighbours differ by 1, −0 is one below +0. Its own inverse.
  static bits ordinal(bits pattern) {
    return pattern < 0 ? static_cast<bits>(pattern ^ std::numeric_limits<bits>::max()) : pattern;
  }

  template <class Z>
  static void make(const Z& z, std::span<A> to, std::uint64_t first) {
    std::fill(to.begin(), to.end(), A{0});
    z.axpy(to, A{1}, first);
  }

  // `slot` counts the elements of the extents: it is where a piece's codes begin.

  void perturb(std::span<T> x, std::size_t slot, A scale, const A* z) {
    T theta[chunk], back[chunk];
    std::copy(x.begin(), x.end(), theta);
    random::axpy<T>(x, scale, z);
    std::copy(x.begin(), x.end(), back);
    random::axpy<T>(std::span<T>(back, x.size()), -scale, z);
    bool fits = true;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto missed = static_cast<std::int64_t>(static_cast<std::uint64_t>(ordinal(std::bit_cast<bits>(theta[i]))) -
                                                    static_cast<std::uint64_t>(ordinal(std::bit_cast<bits>(back[i]))));
      const bool in_range = missed >= -127 && missed <= 127;
      codes_[slot + i] = static_cast<std::int8_t>(in_range ? missed : out_of_range);
      fits = fits && in_range;
    }
    if (fits) return;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (codes_[slot + i] == out_of_range) kept_.push_back({slot + i, theta[i]});
  }

  void recover(std::span<T> x, std::size_t slot, A scale, const A* z, const std::vector<kept>& exceptions,
               std::size_t& cursor) {
    random::axpy<T>(x, -scale, z);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = std::bit_cast<T>(
          ordinal(static_cast<bits>(ordinal(std::bit_cast<bits>(x[i])) + static_cast<bits>(codes_[slot + i]))));
    for (; cursor < exceptions.size() && exceptions[cursor].slot < slot + x.size(); ++cursor)
      x[exceptions[cursor].slot - slot] = exceptions[cursor].value;
  }

  place at_;
  std::vector<std::int8_t> codes_;
  std::vector<kept> kept_;
};

}  // namespace zoft::inline ZOFT_ISA
