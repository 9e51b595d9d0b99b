/// A buffer of floating-point numbers of any type that is moved to θ + a·z and comes back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <tuple>
#include <type_traits>

#include "../../random/axpy.hpp"
#include "misses.hpp"
#include "moved_buffer.hpp"
#include "restore.hpp"

namespace zoft::inline ZOFT_ISA {

/// The integer that holds a number's bit pattern. Patterns of neighbouring numbers differ by 1, except those of 0 and
/// −0.
template <number T>
using pattern_t =
    std::conditional_t<sizeof(T) == 8, std::int64_t, std::conditional_t<sizeof(T) == 4, std::int32_t, std::int16_t>>;

/// Moves floating-point numbers. Adding a·z and subtracting it again does not give back θ: each rounding may lose the
/// last bits of θ, and more of them if |θ| is small beside |a·z|. After about a hundred such cycles a bfloat16 weight
/// has drifted by several per cent. If `restore` is exact, what the subtraction misses is stored (see misses), so that
/// no sequence of points leaves a trace. If it is drifting, nothing is stored.
template <number T>
class floating {
 public:
  using value = T;
  using arithmetic = arithmetic_t<T>;

  explicit floating(restore how = restore::exact) : how_(how) {}

  void begin(std::size_t bytes, std::size_t moved) {
    if (how_ == restore::exact) misses_.begin(bytes, moved);
  }

  /// θ -> θ + a·z, rounded once
  void perturb(std::span<T> x, arithmetic a, const arithmetic* z, const segment& s) {
    if (how_ == restore::drifting) return random::axpy<T>(x, a, z);
    for_each_group(x, z, s.byte, [&](T* some, const arithmetic* of_some, std::size_t n, std::size_t byte) {
      alignas(64) pattern missed[group];
      for (std::size_t i = 0; i < group; i += step) perturb_step(some + i, a, of_some + i, missed + i);
      misses_.push(missed, n, byte);
    });
  }

  /// θ + a·z -> θ
  void recover(std::span<T> x, arithmetic a, const arithmetic* z, const segment& s) {
    if (how_ == restore::drifting) return random::axpy<T>(x, -a, z);
    for_each_group(x, z, s.byte, [&](T* some, const arithmetic* of_some, std::size_t n, std::size_t byte) {
      alignas(64) pattern missed[group];
      misses_.pop(missed, n, byte);
      for (std::size_t i = 0; i < group; i += step) recover_step(some + i, a, of_some + i, missed + i);
    });
  }

  /// θ + a·z -> θ + b·z
  void turn(std::span<T> x, arithmetic a, arithmetic b, const arithmetic* z, const segment& s) {
    if (how_ == restore::drifting) return random::axpy<T>(x, b - a, z);
    for_each_group(x, z, s.byte, [&](T* some, const arithmetic* of_some, std::size_t n, std::size_t byte) {
      alignas(64) pattern missed[group];
      misses_.pop(missed, n, byte);
      for (std::size_t i = 0; i < group; i += step) {
        T theta[step];
        copy(theta, some + i);
        recover_step(theta, a, of_some + i, missed + i);
        perturb_step(theta, b, of_some + i, missed + i);
        copy(some + i, theta);
      }
      misses_.push(missed, n, byte);
    });
  }

  template <class F>
  void update(std::span<T> x, const segment&, F f) {
    f(x);
  }

 private:
  using pattern = pattern_t<T>;
  using modular [[gnu::vector_size(simd::register_bytes)]] = std::make_unsigned_t<pattern>;
  static constexpr std::size_t group = misses<pattern>::group, step = random::axpy_step,
                               width = simd::register_bytes / sizeof(T);

  /// Moves one step of elements from θ to θ + a·z, and computes what coming back will miss. recover_step is the
  /// inverse.
  [[gnu::always_inline]] static void perturb_step(T* x, arithmetic a, const arithmetic* z, pattern* missed) {
    T theta[step], back[step];
    copy(theta, x);
    random::axpy(x, a, z);
    copy(back, x);
    random::axpy(back, -a, z);
#pragma GCC unroll 4
    for (std::size_t j = 0; j < step; j += width)
      simd::store(missed + j, simd::load<modular>(theta + j) - simd::load<modular>(back + j));
  }
  [[gnu::always_inline]] static void recover_step(T* x, arithmetic a, const arithmetic* z, const pattern* missed) {
    random::axpy(x, -a, z);
#pragma GCC unroll 4
    for (std::size_t j = 0; j < step; j += width)
      simd::store(x + j, simd::load<modular>(x + j) + simd::load<modular>(missed + j));
  }
  /// Copies a vector at a time: GCC then keeps the arrays in registers. If they were copied whole, it would keep them
  /// in memory.
  [[gnu::always_inline]] static void copy(T* to, const T* from) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < step; j += width) simd::store(to + j, simd::load<modular>(from + j));
  }

  /// Calls f(x, z, n, byte) for groups of 64 elements, of which the first n belong to the piece. If the last group is
  /// incomplete, f gets a copy padded with 0, so that all elements go through the same instructions in both directions.
  template <class F>
  [[gnu::always_inline]] static void for_each_group(std::span<T> x, const arithmetic* z, std::size_t byte, F f) {
    T padded[group] = {};
    arithmetic noise[group] = {};
    // There is only one call of f, so that it is inlined.
    for (std::size_t i = 0; i < x.size(); i += group) {
      const std::size_t n = std::min(group, x.size() - i);
      T* some = x.data() + i;
      const arithmetic* of_some = z + i;
      if (n < group) {
        some = std::copy_n(some, n, padded) - n;
        of_some = std::copy_n(of_some, n, noise) - n;
      }
      f(some, of_some, n, byte + i / 8);
      if (n < group) std::copy_n(padded, n, x.data() + i);
    }
  }

  restore how_;
  misses<pattern> misses_;
};

template <number T>
using in_place = moved_buffer<floating<T>>;

/// An in_place for each number type that a buffer may have; only the one in use ever stores anything.
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

}  // namespace zoft::inline ZOFT_ISA
