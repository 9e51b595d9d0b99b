/// A buffer that is moved to θ + a·z and comes back, in every number type.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "../candidates.hpp"
#include "../random/axpy.hpp"
#include "../random/direction.hpp"
#include "../sampler/at.hpp"
#include "extent.hpp"
#include "misses.hpp"
#include "restore.hpp"

namespace zoft::inline ZOFT_ISA {

/// Adding a·z and subtracting it again does not give back what was there: each rounding may lose the last bits of θ,
/// more of them where |θ| is small beside |a·z|. After some hundred such cycles a bfloat16 weight has drifted by
/// several per cent. Where `restore` is exact, what the subtraction misses is kept (see misses), and any sequence of
/// points leaves no trace; where it is drifting, nothing is.
///
/// A sweep goes over the buffer once, and makes the noise of each direction that it needs once: that which the buffer
/// comes from, and that which it goes to. From θ + a·z to θ − a·z these are one.
template <number T>
class in_place {
  using A = arithmetic_t<T>;

 public:
  static constexpr std::size_t chunk = 2048;

  explicit in_place(zoft::restore how = zoft::restore::exact) : how_(how) {}

  /// x (n) from wherever it is to θ + p.scale·z(d), or to θ itself where p.scale is 0. One sweep.
  template <class Sampler>
  void move(std::span<T> x, const Sampler& sampler, const point& p, direction d) {
    const extent whole{0, x.size()};
    move(x, std::span(&whole, 1), sampler, p, d);
  }

  /// The same within these extents of x, in order, and nowhere else. They stay the same until x is back at θ.
  template <class Sampler>
  void move(std::span<T> x, std::span<const extent> parts, const Sampler& sampler, const point& p, direction d) {
    sweep(x, parts, sampler, {d, static_cast<A>(p.scale)}, [](auto&&...) {});
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

  /// x back to θ, and on to what `update` makes of it, in the same sweep: update(first, n, owner, z) is called for each
  /// piece when it is back; z (n) is that of direction d, which it came from.
  template <class Sampler, class F>
  void leave(std::span<T> x, std::span<const extent> parts, const Sampler& sampler, F update) {
    sweep(x, parts, sampler, {at_.d, 0}, update);
  }

  /// Where x is: at θ + a·z of this direction; none where it is at θ.
  std::optional<direction> away() const { return at_.scale != 0 ? std::optional(at_.d) : std::nullopt; }

 private:
  struct place {
    direction d;
    A scale = 0;
  };

  template <class Sampler, class F>
  void sweep(std::span<T> x, std::span<const extent> parts, const Sampler& sampler, const place& to, F arrived) {
    const place from = at_;
    const bool keeps = how_ == zoft::restore::exact, one_way = from.d == to.d;
    if (keeps) {
      std::size_t bytes = 0, moved = 0;
      for_each_piece(parts, chunk, [&](std::size_t, std::size_t n, const tensor*) {
        bytes += (n + 7) / 8;
        moved += n;
      });
      misses_.begin(bytes, to.scale != 0 ? moved : 0);
    }
    std::optional<decltype(zoft::at(sampler, to.d))> z_from, z_to;
    if (from.scale != 0) z_from.emplace(zoft::at(sampler, from.d));
    if (to.scale != 0 && !(from.scale != 0 && one_way)) z_to.emplace(zoft::at(sampler, to.d));
    std::size_t byte = 0;
    for_each_piece(parts, chunk, [&](std::size_t first, std::size_t n, const tensor* owner) {
      const std::span<T> piece = x.subspan(first, n);
      alignas(64) A z[chunk];
      if (z_from) make(*z_from, std::span<A>(z, n), first);
      if (!keeps && one_way) {
        if (z_to) make(*z_to, std::span<A>(z, n), first);
        random::axpy<T>(piece, to.scale - from.scale, z);
      } else {
        if (z_from) recover(piece, from.scale, z, byte);
        if (z_to) make(*z_to, std::span<A>(z, n), first);
        if (to.scale != 0) perturb(piece, to.scale, z, byte);
      }
      arrived(first, n, owner, z);
      byte += (n + 7) / 8;
    });
    at_ = to;
  }

  template <class Z>
  static void make(const Z& z, std::span<A> to, std::uint64_t first) {
    std::fill(to.begin(), to.end(), A{0});
    z.axpy(to, A{1}, first);
  }

  using pattern = ordinal_t<T>;
  static constexpr std::size_t group = misses<T>::group;

  /// θ -> θ + a·z. The bits of what is missed begin at `byte`.
  void perturb(std::span<T> x, A a, const A* z, std::size_t byte) {
    if (how_ == zoft::restore::drifting) return random::axpy<T>(x, a, z);
    for (std::size_t i = 0; i < x.size(); i += group, byte += group / 8) {
      const std::span<T> some = x.subspan(i, std::min(group, x.size() - i));
      T theta[group] = {}, back[group] = {};
      std::copy(some.begin(), some.end(), theta);
      random::axpy<T>(some, a, z + i);
      std::copy(some.begin(), some.end(), back);
      random::axpy<T>(std::span<T>(back, some.size()), -a, z + i);
      misses_.push(theta, back, some.size(), byte);
    }
  }

  /// θ + a·z -> θ
  void recover(std::span<T> x, A a, const A* z, std::size_t byte) {
    random::axpy<T>(x, -a, z);
    if (how_ == zoft::restore::drifting) return;
    for (std::size_t i = 0; i < x.size(); i += group, byte += group / 8)
      misses_.pop(x.data() + i, std::min(group, x.size() - i), byte);
  }

  zoft::restore how_;
  place at_;
  misses<T> misses_;
};

}  // namespace zoft::inline ZOFT_ISA
