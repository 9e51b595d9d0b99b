/// A buffer that is moved from point to point and comes back, whatever its elements are.
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

/// Elements that a piece has at most. It and its noise stay in the smallest cache, and are a page of floats each.
inline constexpr std::size_t most_moved = 1024;

/// Where a piece of a buffer lies.
struct segment {
  std::size_t first;    ///< its first element
  const tensor* owner;  ///< the tensor that it is in, where the buffer has a layout
  std::size_t byte;     ///< of the bits that there are for the elements which move, where those of its first begin
  direction d;          ///< along which it is moved
};

/// Sweeps over a buffer. Each goes over it once, a piece at a time, and makes the noise of each direction that it needs
/// once: of that which the buffer comes from, and of that which it goes to. From θ + a·z to θ − a·z these are one.
///
/// A Medium says what the elements are and how they are moved, a piece x (n) at a time and in the same order in each
/// sweep:
///
///     value, arithmetic       types of the elements, and of a and z
///     begin(bytes, moved)     a sweep begins: over pieces with that many bytes of bits, of which it moves so many
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

  /// x (n) from wherever it is to θ + p.scale·z(d), or to θ itself where p.scale is 0. One sweep.
  template <class Sampler>
  void move(std::span<value> x, const Sampler& sampler, const point& p, direction d) {
    const extent whole{0, x.size()};
    move(x, std::span(&whole, 1), sampler, p, d);
  }

  /// The same within these extents of x, in order, and nowhere else. They stay the same until x is back at θ.
  template <class Sampler>
  void move(std::span<value> x, std::span<const extent> parts, const Sampler& sampler, const point& p, direction d) {
    sweep(x, parts, sampler, {d, static_cast<A>(p.scale)}, [](auto&&...) {});
  }

  /// x back to θ.
  template <class Sampler>
  void restore(std::span<value> x, const Sampler& sampler) {
    if (at_.scale != 0) move(x, sampler, point{}, at_.d);
  }
  template <class Sampler>
  void restore(std::span<value> x, std::span<const extent> parts, const Sampler& sampler) {
    if (at_.scale != 0) move(x, parts, sampler, point{}, at_.d);
  }

  /// x back to θ, and on to what f makes of it, in the same sweep: f(piece, first, owner, z) is called for each piece
  /// when it is back; z (n) is that of the direction along which x was.
  template <class Sampler, class F>
  void leave(std::span<value> x, std::span<const extent> parts, const Sampler& sampler, F f) {
    sweep(x, parts, sampler, {at_.d, 0}, [&](std::span<value> piece, const segment& s, const A* z) {
      medium_.update(piece, s, [&](auto theta) { f(theta, s.first, s.owner, z); });
    });
  }

  /// The direction along which x is away from θ.
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

/// A buffer on its way from point to point. Wherever that ends, and by whatever is thrown, it comes back.
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

  /// Back, and on by f: see moved_buffer::leave.
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
