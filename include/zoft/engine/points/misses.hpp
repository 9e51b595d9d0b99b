/// What a buffer loses to rounding when it is moved and moved back, stored in few bits.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../simd/nonzero.hpp"

namespace zoft::inline ZOFT_ISA {

/// A queue in one block of memory, read and written in sweeps. A sweep writes where it has already read, so that the
/// elements of two sweeps never take twice the memory.
template <class T>
class swept_queue {
 public:
  static constexpr std::size_t slack = simd::word_bits;  ///< elements beyond its end that may be read and written

  /// Begins a sweep that will write at most `most` elements, and probably `expected`.
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

  /// Where up to `slack` elements may be written; only those that are then pushed are kept. The sweep has done `done`
  /// of `all`, which tells how much room its elements will need in the end.
  T* back(std::size_t done, std::size_t all) {
    if (written_ + slack > read_) {
      const std::size_t left = size() - read_, from = read_;
      const double total = static_cast<double>(written_) * static_cast<double>(all) / static_cast<double>(done + 1);
      grow(std::max(size() + size() / 16 + gap, static_cast<std::size_t>(1.0625 * total)));
      shift(from, left);
    }
    return memory_.data() + written_;
  }
  void push(std::size_t count) { written_ += count; }

 private:
  static constexpr std::size_t gap = 2 * slack;

  std::size_t size() const { return memory_.size() - std::min(memory_.size(), slack); }

  /// Makes room for `size` elements, but for no more than can exist: those already written and those still to be read.
  void grow(std::size_t size) {
    size = std::min(size, most_ + gap) + slack;
    if (size <= memory_.size()) return;
    memory_.reserve(size);
    memory_.resize(size);
  }
  /// Moves `count` elements from `from` on to the end, which leaves free room before them.
  void shift(std::size_t from, std::size_t count) {
    read_ = size() - count;
    std::memmove(memory_.data() + read_, memory_.data() + from, count * sizeof(T));
  }

  std::vector<T> memory_;
  std::size_t written_ = 0, read_ = 0, most_ = 0;
};

/// For each element of a buffer, the distance from what it was to what it came back to, counted in representable
/// numbers. Nearly all distances are 0. Let x' = round(x + y) and x̂ = round(x' − y). If |y| ≪ |x|, x̂ is x, except at
/// ties and if x' is in a higher binade. The distance is the rounding error of x' in units of x's spacing. It exceeds
/// 2ᵏ with probability ∝ 2⁻ᵏ, as only x with |x| < 2⁻ᵏ|y| lose so much. (On a grid of integers, rounding could be
/// undone without any memory. Floats have no such rounding: more of them lie near 0 than around y, so after the move
/// they cannot all be told apart.)
///
/// So each element has one bit, which says whether its distance is 0. A distance that is not 0 also takes a byte, and
/// one outside ±126 an integer I of the number's size besides. For weights of standard deviation 0.02 and perturbations
/// of 0.001 this is 1.4 to 1.7 bits an element in every type, while the entropy of the distances is 0.3 to 0.5 bits. At
/// worst, if all weights are tiny beside their perturbation, it is 9/8 + sizeof(I) bytes an element.
///
/// Two bits for each element, with one pattern that means `look in a list`, would take more. Codes as wide as the
/// largest of their block would take twice as much, because hardly any block of 64 is all 0.
template <simd::integer_lane I>
class misses {
 public:
  static constexpr std::size_t group = simd::word_bits;

  /// Begins a sweep over pieces that have `bytes` bytes of bits in all. It writes up to `most` distances.
  void begin(std::size_t bytes, std::size_t most) {
    bits_.resize(bytes);
    // Ordinary weights need slightly less than a sixteenth, so their queue does not have to grow.
    codes_.begin(most / 16, most);
    large_.begin(0, most);
  }

  /// missed (64): the distances of the next n ≤ 64 elements, 0 from n on. Their bits begin at `byte`.
  [[gnu::always_inline]] void push(const I* missed, std::size_t n, std::size_t byte) {
    const simd::packed kept = simd::pack(missed, codes_.back(byte, bits_.size()));
    std::memcpy(bits_.data() + byte, &kept.word, (n + 7) / 8);
    codes_.push(kept.count());
    if (kept.large) push_large(missed, kept.word, byte);
  }
  [[gnu::always_inline]] void pop(I* missed, std::size_t n, std::size_t byte) {
    std::uint64_t word = 0;
    std::memcpy(&word, bits_.data() + byte, (n + 7) / 8);
    const simd::packed kept = simd::unpack(codes_.front(), word, missed);
    codes_.pop(kept.count());
    if (kept.large) pop_large(missed, word);
  }

 private:
  [[gnu::noinline]] void push_large(const I* missed, std::uint64_t word, std::size_t byte) {
    I* to = large_.back(byte, bits_.size());
    for (; word != 0; word &= word - 1) {
      const I value = missed[std::countr_zero(word)];
      if (!simd::is_large(value)) continue;
      *to++ = value;
      large_.push(1);
    }
  }
  [[gnu::noinline]] void pop_large(I* missed, std::uint64_t word) {
    for (; word != 0; word &= word - 1) {
      I& value = missed[std::countr_zero(word)];
      if (!simd::is_large(value)) continue;
      value = *large_.front();
      large_.pop(1);
    }
  }

  std::vector<std::uint8_t> bits_;
  swept_queue<std::int8_t> codes_;
  swept_queue<I> large_;
};

}  // namespace zoft::inline ZOFT_ISA
