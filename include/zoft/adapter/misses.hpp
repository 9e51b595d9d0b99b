/// What rounding takes from a buffer that is moved and moved back, in as few bits as that has.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "../random/axpy.hpp"
#include "../simd/nonzero.hpp"

namespace zoft::inline ZOFT_ISA {

/// The integers that hold a number's pattern, and count the representable numbers in order.
template <number T>
using ordinal_t =
    std::conditional_t<sizeof(T) == 8, std::int64_t, std::conditional_t<sizeof(T) == 4, std::int32_t, std::int16_t>>;

/// A queue in one piece of memory, which is read and written in sweeps: what a sweep has read makes room for what it
/// writes, so that two sweeps' elements never take twice the memory.
template <class T>
class swept_queue {
 public:
  static constexpr std::size_t slack = simd::word_bits;  ///< elements beyond its end that may be read and written

  /// A sweep begins, which will not write more than `most` elements, and probably `expected`.
  void begin(std::size_t expected, std::size_t most) {
    most_ = most;
    const std::size_t left = written_;
    written_ = read_ = 0;
    if (most == 0) return;
    grow(std::max(expected, left + gap));
    shift(0, left);
  }

  const T* front() const { return memory_.data() + read_; }
  void pop(std::size_t count) { read_ += count; }

  /// Where up to `slack` elements may be written, of which those are kept that are pushed.
  T* back() {
    if (written_ + slack > read_) {
      const std::size_t left = size() - read_, from = read_;
      grow(size() + size() / 8 + gap);
      shift(from, left);
    }
    return memory_.data() + written_;
  }
  void push(std::size_t count) { written_ += count; }

 private:
  static constexpr std::size_t gap = 2 * slack;

  std::size_t size() const { return memory_.size() - std::min(memory_.size(), slack); }

  /// At least `size` elements, but no more than there can be: those that were read and those that are to be.
  void grow(std::size_t size) {
    size = std::min(size, most_ + gap) + slack;
    if (size <= memory_.size()) return;
    memory_.reserve(size);
    memory_.resize(size);
  }
  /// `count` elements from `from` on become the last, and what is before them is room.
  void shift(std::size_t from, std::size_t count) {
    read_ = size() - count;
    std::memmove(memory_.data() + read_, memory_.data() + from, count * sizeof(T));
  }

  std::vector<T> memory_;
  std::size_t written_ = 0, read_ = 0, most_ = 0;
};

/// For each element of a buffer, how many representable numbers lie between what it was and what it came back to.
/// Nearly all are 0: where x' = round(x + y) and x̂ = round(x' − y) with |y| ≪ |x|, x̂ is x but for ties and where x'
/// is in a higher binade, and its distance is the rounding of x' in units of x's spacing: 2ᵏ with probability ∝ 2⁻ᵏ, as
/// only x with |x| < 2⁻ᵏ|y| lose so much. By counting alone no invertible rounding can do without such a list: there
/// are more numbers near 0 than around y.
///
/// So each element has a bit, whether it is 0; each that is not a byte; and each that a byte does not hold an integer
/// of the number's size besides. For weights of deviation 0.02 and perturbations of 0.001 that is 1.5 bits an element
/// in every type, the entropy of the distances 0.4 to 0.5. At worst, where all weights are tiny beside their
/// perturbation, it is 1/8 + 1 + sizeof(T) bytes an element.
///
/// A fixed code of 2 bits with a list was no smaller, and codes of a width chosen by block were twice as large: a block
/// of 64 hardly ever is without one that is not 0.
template <number T>
class misses {
  using I = ordinal_t<T>;
  using U = std::make_unsigned_t<I>;
  using vector_of_i [[gnu::vector_size(simd::register_bytes)]] = I;
  using vector_of_u [[gnu::vector_size(simd::register_bytes)]] = U;
  static constexpr std::size_t width = simd::register_bytes / sizeof(I);

 public:
  static constexpr std::size_t group = simd::word_bits;

  /// A sweep begins, over pieces that have `bytes` bytes of bits in all; it writes up to `most` distances.
  void begin(std::size_t bytes, std::size_t most) {
    bits_.resize(bytes);
    // A sixteenth: what ordinary weights need is not far below, and no growth is needed then.
    codes_.begin(most / 16, most);
    large_.begin(0, most);
  }

  /// The next n ≤ 64 elements, whose bits begin at `byte`: θ (64) came back as θ̂ (64), both 0 from n on.
  [[gnu::always_inline]] void push(const T* theta, const T* back, std::size_t n, std::size_t byte) {
    alignas(64) I missed[group];
    for (std::size_t i = 0; i < group; i += width)
      simd::store(missed + i, (vector_of_u)ordinals(theta + i) - (vector_of_u)ordinals(back + i));
    const std::uint64_t word = simd::nonzero(missed);
    std::memcpy(bits_.data() + byte, &word, (n + 7) / 8);
    if (word == 0) return;
    const simd::packed kept = simd::pack(missed, word, codes_.back());
    codes_.push(kept.count);
    if (kept.large) push_large(missed, word);
  }

  /// The same elements' θ̂ become θ.
  [[gnu::always_inline]] void pop(T* x, std::size_t n, std::size_t byte) {
    std::uint64_t word = 0;
    std::memcpy(&word, bits_.data() + byte, (n + 7) / 8);
    if (word == 0) return;
    alignas(64) I value[group];
    if (n < group) std::fill_n(value, group, I{0});
    std::memcpy(value, x, n * sizeof(T));
    for (std::size_t i = 0; i < group; i += width) simd::store(value + i, ordinals(value + i));
    const simd::packed kept = simd::unpack_add(codes_.front(), word, value);
    if (kept.large) pop_large(codes_.front(), word, value);
    codes_.pop(kept.count);
    for (std::size_t i = 0; i < group; i += width) simd::store(value + i, ordinals(value + i));
    std::memcpy(static_cast<void*>(x), value, n * sizeof(T));
  }

 private:
  /// Of patterns: counts the representable numbers in order, so that neighbours differ by 1; −0 is one below +0. Its
  /// own inverse.
  template <class P>
  [[gnu::always_inline]] static vector_of_i ordinals(const P* from) {
    const auto pattern = simd::load<vector_of_i>(from);
    return pattern ^ ((pattern >> (8 * sizeof(I) - 1)) & std::numeric_limits<I>::max());
  }

  [[gnu::noinline]] void push_large(const I* missed, std::uint64_t word) {
    I* const to = large_.back();
    std::size_t count = 0;
    for (; word != 0; word &= word - 1) {
      const I value = missed[std::countr_zero(word)];
      if (value < -127 || value > 127) to[count++] = value;
    }
    large_.push(count);
  }

  [[gnu::noinline]] void pop_large(const std::int8_t* codes, std::uint64_t word, I* value) {
    const I* const from = large_.front();
    std::size_t count = 0;
    for (; word != 0; word &= word - 1, ++codes) {
      I& v = value[std::countr_zero(word)];
      if (*codes == simd::too_large)
        v = static_cast<I>(static_cast<U>(v) - static_cast<U>(simd::too_large) + static_cast<U>(from[count++]));
    }
    large_.pop(count);
  }

  std::vector<std::uint8_t> bits_;
  swept_queue<std::int8_t> codes_;
  swept_queue<I> large_;
};

}  // namespace zoft::inline ZOFT_ISA
