/// A buffer that is moved to θ + a·z and comes back, in every number type.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

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
  /// piece when it is back; z (n) is that of the direction along which x was.
  template <class Sampler, class F>
  void leave(std::span<T> x, std::span<const extent> parts, const Sampler& sampler, F update) {
    sweep(x, parts, sampler, {at_.d, 0}, update);
  }

  /// The direction along which x is away from θ.
  std::optional<direction> along() const { return at_.scale != 0 ? std::optional(at_.d) : std::nullopt; }

 private:
  struct place {
    direction d;
    A scale = 0;
  };

  template <class Sampler, class F>
  void sweep(std::span<T> x, std::span<const extent> parts, const Sampler& sampler, const place& to, F arrived) {
    const place from = at_;
    if (how_ == zoft::restore::exact) {
      std::size_t bytes = 0, moved = 0;
      for_each_piece(parts, chunk, [&](std::size_t, std::size_t n, const tensor*) {
        bytes += (n + 7) / 8;
        moved += n;
      });
      misses_.begin(bytes, to.scale != 0 ? moved : 0);
    }
    using made = std::optional<decltype(zoft::at(sampler, to.d))>;
    const bool leaves = from.scale != 0, arrives = to.scale != 0, turns = leaves && arrives && from.d == to.d;
    const made z_from = leaves ? made(zoft::at(sampler, from.d)) : made();
    const made z_to = arrives && !turns ? made(zoft::at(sampler, to.d)) : made();
    std::size_t byte = 0;
    for_each_piece(parts, chunk, [&](std::size_t first, std::size_t n, const tensor* owner) {
      const std::span<T> piece = x.subspan(first, n);
      alignas(64) A noise[chunk];
      const std::span<A> z(noise, n);
      if (leaves) make(*z_from, z, first);
      if (turns && how_ == zoft::restore::drifting) {
        random::axpy<T>(piece, to.scale - from.scale, noise);
      } else {
        if (leaves) recover(piece, from.scale, noise, byte);
        if (z_to) make(*z_to, z, first);
        if (arrives) perturb(piece, to.scale, noise, byte);
      }
      arrived(first, n, owner, static_cast<const A*>(noise));
      byte += (n + 7) / 8;
    });
    at_ = to;
  }

  template <class Z>
  static void make(const Z& z, std::span<A> to, std::uint64_t first) {
    std::fill(to.begin(), to.end(), A{0});
    z.axpy(to, A{1}, first);
  }

  // Of a piece, whose bits of what is missed begin at `byte`.

  /// θ -> θ + a·z
  void perturb(std::span<T> x, A a, const A* z, std::size_t byte) {
    if (how_ == zoft::restore::drifting) return random::axpy<T>(x, a, z);
    for_each_group(x, z, byte, [&](T* some, const A* of_some, std::size_t n, std::size_t at) {
      alignas(64) pattern_t<T> missed[group];
      for (std::size_t i = 0; i < group; i += step) {
        T theta[step], back[step];
        std::memcpy(static_cast<void*>(theta), some + i, sizeof theta);
        random::axpy(some + i, a, of_some + i);
        std::memcpy(static_cast<void*>(back), some + i, sizeof back);
        random::axpy(back, -a, of_some + i);
        misses<T>::subtract(theta, back, missed + i);
      }
      misses_.push(missed, n, at);
    });
  }

  /// θ + a·z -> θ
  void recover(std::span<T> x, A a, const A* z, std::size_t byte) {
    if (how_ == zoft::restore::drifting) return random::axpy<T>(x, -a, z);
    for_each_group(x, z, byte, [&](T* some, const A* of_some, std::size_t n, std::size_t at) {
      alignas(64) pattern_t<T> missed[group];
      misses_.pop(missed, n, at);
      for (std::size_t i = 0; i < group; i += step) {
        random::axpy(some + i, -a, of_some + i);
        misses<T>::add(some + i, missed + i);
      }
    });
  }

  static constexpr std::size_t group = misses<T>::group, step = random::axpy_step;

  /// Calls f(x, z, n, byte) for groups of 64, of which n are of the piece: the last is a copy, padded with 0. All of
  /// them go through the same instructions then, on the way there and back.
  template <class F>
  static void for_each_group(std::span<T> x, const A* z, std::size_t byte, F f) {
    std::size_t i = 0;
    for (; i + group <= x.size(); i += group, byte += group / 8) f(x.data() + i, z + i, group, byte);
    if (i == x.size()) return;
    const std::size_t left = x.size() - i;
    T padded[group] = {};
    A noise[group] = {};
    std::copy_n(x.data() + i, left, padded);
    std::copy_n(z + i, left, noise);
    f(padded, noise, left, byte);
    std::copy_n(padded, left, x.data() + i);
  }

  zoft::restore how_;
  place at_;
  misses<T> misses_;
};

/// One for each number type that a buffer may have; only the one in use ever keeps anything.
class in_place_buffers {
 public:
  explicit in_place_buffers(restore how)
      : all_(in_place<float>(how), in_place<double>(how), in_place<bfloat16>(how), in_place<half>(how)) {}

  template <number T>
  in_place<T>& of() {
    return std::get<in_place<T>>(all_);
  }

 private:
  std::tuple<in_place<float>, in_place<double>, in_place<bfloat16>, in_place<half>> all_;
};

/// A buffer on its way from point to point. Wherever that ends, and by whatever is thrown, it comes back.
template <number T, class Sampler>
class excursion {
 public:
  excursion(in_place<T>& buffer, std::span<T> x, std::vector<extent> parts, const Sampler& sampler)
      : buffer_(buffer), x_(x), parts_(std::move(parts)), sampler_(sampler) {}
  excursion(const excursion&) = delete;
  excursion& operator=(const excursion&) = delete;
  ~excursion() { buffer_.restore(x_, parts_, sampler_); }

  void to(const point& p, direction d) { buffer_.move(x_, parts_, sampler_, p, d); }

  std::optional<direction> along() const { return buffer_.along(); }

  /// Back, and on by `update`: see in_place::leave.
  template <class F>
  void end(F update) {
    buffer_.leave(x_, parts_, sampler_, update);
  }

 private:
  in_place<T>& buffer_;
  std::span<T> x_;
  std::vector<extent> parts_;
  const Sampler& sampler_;
};

}  // namespace zoft::inline ZOFT_ISA
