/// A number that tells whether two sequences of bytes are the same.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// 64 bits of all bytes that were added, in their order, however they were divided into calls. It finds what changed by
/// accident, with a chance of 2⁻⁶⁴ to miss it. It is no protection against somebody who wants it to miss.
class fingerprint {
 public:
  /// Takes these bytes in.
  void add(std::span<const std::byte> bytes) {
    size_ += bytes.size();
    while (!bytes.empty()) {
      if (held_ == 0 && bytes.size() >= block_.size()) {
        mix(bytes.data());
        bytes = bytes.subspan(block_.size());
        continue;
      }
      const std::size_t n = std::min(bytes.size(), block_.size() - held_);
      std::memcpy(block_.data() + held_, bytes.data(), n);
      held_ += n;
      bytes = bytes.subspan(n);
      if (held_ == block_.size()) mix(block_.data()), held_ = 0;
    }
  }
  /// Takes the bytes of these values in.
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void add(std::span<const T> values) { add(std::as_bytes(values)); }

  /// The fingerprint of all that was added so far.
  std::uint64_t value() const {
    fingerprint whole = *this;
    if (held_ > 0) {
      std::memset(whole.block_.data() + held_, 0, block_.size() - held_);
      whole.mix(whole.block_.data());
    }
    std::uint64_t result = size_;
    for (const std::uint64_t lane : whole.lanes_) result = mixed(result, lane);
    return result;
  }

 private:
  /// Fibonacci hashing's multiplier, 2⁶⁴ over the golden ratio; the shift brings upper bits to where they act.
  static std::uint64_t mixed(std::uint64_t lane, std::uint64_t word) {
    lane = (std::rotl(lane, 29) ^ word) * 0x9e3779b97f4a7c15u;
    return lane ^ lane >> 32;
  }
  void mix(const std::byte* block) {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      std::uint64_t word;
      std::memcpy(&word, block + i * sizeof word, sizeof word);
      lanes_[i] = mixed(lanes_[i], word);
    }
  }

  std::array<std::uint64_t, 4> lanes_{1, 2, 3, 4};  // side by side, so that none waits for another
  std::array<std::byte, 32> block_{};
  std::size_t held_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA
