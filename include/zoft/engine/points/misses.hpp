/// What rounding takes from a buffer that is moved and moved back, in as few bits as that has.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../../simd/nonzero.hpp"

namespace zoft::inline ZOFT_ISA {

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

  /// Where up to `slack` elements may be written, of which those are kept that are pushed. The sweep has done `done` of
  /// `all`, from which follows how much room they will need in the end.
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
/// is in a higher binade, and its distance is the rounding of x' in units of x's spacing: above 2ᵏ with probability
/// ∝ 2⁻ᵏ, as only x with |x| < 2⁻ᵏ|y| lose so much. (Rounding that could be undone without any memory, on a grid of
/// integers say, there is not: more numbers lie near 0 than around y, and they cannot all be told apart there.)
///
/// So an element has a bit, whether it is 0; a byte if it is not; and an integer of its number's size, I, if it is
/// not within ±126. For weights of deviation 0.02 and perturbations of 0.001 this is 1.4 to 1.7 bits an element in
/// every type, where the entropy of the distances is 0.3 to 0.5. At worst, where all weights are tiny beside their
/// perturbation, it is 9/8 + sizeof(I) bytes an element.
///
/// Two bits for each element, one pattern of them for `look in a list`, would be more than this; and codes as wide as
/// the largest of their block twice as much, as hardly any block of 64 has none that is not 0.
template <simd::integer_lane I>
class misses {
 public:
  static constexpr std::size_t group = simd::word_bits;

  /// A sweep begins, over pieces that have `bytes` bytes of bits in all; it writes up to `most` distances.
  void begin(std::size_t bytes, std::size_t most) {
    bits_.resize(bytes);
    // A sixteenth: what ordinary weights need is not far below, and no growth is needed then.
    codes_.begin(most / 16, most);
    large_.begin(0, most);
  }

  /// What the next n ≤ 64 elements miss (64), 0 from n on. Their bits begin at `byte`.
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
