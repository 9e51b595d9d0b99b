/// A buffer of any elements that is moved from point to point and comes back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "../../core/candidates.hpp"
#include "../../core/direction.hpp"
#include "../../core/extent.hpp"
#include "../../core/layout.hpp"
#include "../directions/at.hpp"

namespace zoft::inline ZOFT_ISA {

/// The most elements that a piece has. A piece and its noise stay in the smallest cache; as floats, each is a page.
inline constexpr std::size_t most_moved = 1024;

/// Where a piece of a buffer lies.
struct segment {
  std::size_t first;    ///< its first element
  const tensor* owner;  ///< the tensor that it is in, if the buffer has a layout
  std::size_t byte;     ///< where its bits begin, in an array with a bit for each element that moves
  direction d;          ///< the direction along which it is moved
};

/// Moves a buffer in sweeps. A sweep goes over the buffer once, a piece at a time. It makes the noise of each direction
/// that it needs once: the direction that the buffer comes from and the one that it goes to. From θ + a·z to θ − a·z
/// the two are the same.
///
/// A Medium says what the elements are and how they are moved, a piece x (n) at a time and in the same order in each
/// sweep:
///
///     value, arithmetic       types of the elements, and of a and z
///     begin(bytes, moved)     begins a sweep, whose pieces have `bytes` bytes of bits and which moves `moved` elements
///     perturb(x, a, z, s)     θ -> θ + a·z
///     recover(x, a, z, s)     θ + a·z -> θ
///     turn(x, a, b, z, s)     θ + a·z -> θ + b·z
///     update(x, s, f)         θ -> what f(std::span<arithmetic or value>) makes of it
template <class Medium>
class moved_buffer {
  using A = typename Medium::arithmetic;

 public:
  using value = typename Medium::value;

  template <class... Options>
  explicit moved_buffer(const Options&... options) : medium_(options...) {}

  /// Moves x (n) from wherever it is to θ + p.scale·z(d); if p.scale is 0, to θ itself. Takes one sweep.
  template <class Sampler>
  void move(std::span<value> x, const Sampler& sampler, const point& p, direction d) {
    const extent whole{0, x.size()};
    move(x, std::span(&whole, 1), sampler, p, d);
  }

  /// The same within these extents of x only. They are in order, and must stay the same until x is back at θ.
  template <class Sampler>
  void move(std::span<value> x, std::span<const extent> parts, const Sampler& sampler, const point& p, direction d) {
    sweep(x, parts, sampler, {d, static_cast<A>(p.scale)}, [](auto&&...) {});
  }

  /// Moves x back to θ.
  template <class Sampler>
  void restore(std::span<value> x, const Sampler& sampler) {
    if (at_.scale != 0) move(x, sampler, point{}, at_.d);
  }
  template <class Sampler>
  void restore(std::span<value> x, std::span<const extent> parts, const Sampler& sampler) {
    if (at_.scale != 0) move(x, parts, sampler, point{}, at_.d);
  }

  /// Moves x back to θ and updates it by f in the same sweep: f(piece, first, owner, z) is called for each piece when
  /// it is back. z (n) is the piece of the direction along which x was moved.
  template <class Sampler, class F>
  void leave(std::span<value> x, std::span<const extent> parts, const Sampler& sampler, F f) {
    sweep(x, parts, sampler, {at_.d, 0}, [&](std::span<value> piece, const segment& s, const A* z) {
      medium_.update(piece, s, [&](auto theta) { f(theta, s.first, s.owner, z); });
    });
  }

  /// The direction along which x is away from θ; empty if x is at θ.
  std::optional<direction> along() const { return at_.scale != 0 ? std::optional(at_.d) : std::nullopt; }

  Medium& medium() { return medium_; }
  const Medium& medium() const { return medium_; }

 private:
  struct place {
    direction d;
    A scale = 0;
  };

  template <class Sampler, class F>
  void sweep(std::span<value> x, std::span<const extent> parts, const Sampler& sampler, const place& to, F arrived) {
    const place from = at_;
    const bool leaves = from.scale != 0, arrives = to.scale != 0, turns = leaves && arrives && from.d == to.d;
    std::size_t bytes = 0, moved = 0;
    for_each_piece(parts, most_moved, [&](std::size_t, std::size_t n, const tensor*) {
      bytes += bytes_of(n);
      moved += n;
    });
    medium_.begin(bytes, arrives ? moved : 0);
    using made = std::optional<decltype(zoft::at(sampler, to.d))>;
    const made z_from = leaves ? made(zoft::at(sampler, from.d)) : made();
    const made z_to = arrives && !turns ? made(zoft::at(sampler, to.d)) : made();
    std::size_t byte = 0;
    for_each_piece(parts, most_moved, [&](std::size_t first, std::size_t n, const tensor* owner) {
      const std::span<value> piece = x.subspan(first, n);
      const segment here{first, owner, byte, from.d}, there{first, owner, byte, to.d};
      alignas(64) A noise[most_moved];
      const std::span<A> z(noise, n);
      if (leaves) draw(*z_from, z, first);
      if (turns) {
        medium_.turn(piece, from.scale, to.scale, noise, here);
      } else {
        if (leaves) medium_.recover(piece, from.scale, noise, here);
        if (arrives) draw(*z_to, z, first);
        if (arrives) medium_.perturb(piece, to.scale, noise, there);
      }
      arrived(piece, there, static_cast<const A*>(noise));
      byte += bytes_of(n);
    });
    at_ = to;
  }

  static std::size_t bytes_of(std::size_t n) { return (n + 7) / 8; }

  place at_;
  Medium medium_;
};

/// A buffer on its way from point to point. It comes back when this object is destroyed, also if something throws.
template <class Buffer, class Sampler>
class excursion {
  using value = typename Buffer::value;

 public:
  excursion(Buffer& buffer, std::span<value> x, std::vector<extent> parts, const Sampler& sampler)
      : buffer_(buffer), x_(x), parts_(std::move(parts)), sampler_(sampler) {}
  excursion(const excursion&) = delete;
  excursion& operator=(const excursion&) = delete;
  ~excursion() { buffer_.restore(x_, parts_, sampler_); }

  void to(const point& p, direction d) { buffer_.move(x_, parts_, sampler_, p, d); }
  std::optional<direction> along() const { return buffer_.along(); }
  const auto& medium() const { return buffer_.medium(); }

  /// Moves the buffer back and updates it by f: see moved_buffer::leave.
  template <class F>
  void end(F f) {
    buffer_.leave(x_, parts_, sampler_, f);
  }

 private:
  Buffer& buffer_;
  std::span<value> x_;
  std::vector<extent> parts_;
  const Sampler& sampler_;
};

}  // namespace zoft::inline ZOFT_ISA
