// The order in which examples are learned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>
#include <zoft/random/stream.hpp>

namespace finetune {

/// Each epoch goes through all items in an order of its own, by Fisher and Yates. The last one asked for is kept.
class epoch_order {
 public:
  epoch_order(std::size_t items, std::uint64_t seed) : items_(items), seed_(seed) {}

  /// The item at place `at` of a run, counted over all epochs.
  std::size_t operator()(std::uint64_t at) {
    const std::uint64_t epoch = at / items_;
    if (order_.empty() || epoch != epoch_) shuffle(epoch);
    return order_[static_cast<std::size_t>(at % items_)];
  }

 private:
  void shuffle(std::uint64_t epoch) {
    epoch_ = epoch;
    order_.resize(items_);
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const zoft::direction d{seed_, static_cast<std::uint32_t>(epoch), 0};
    for (std::size_t left = order_.size(); left > 1; --left) {
      const std::uint64_t word = zoft::random::word(d, zoft::random::stream::data, left);
      std::swap(order_[left - 1], order_[static_cast<std::size_t>(word * left >> 32)]);
    }
  }

  std::size_t items_;
  std::uint64_t seed_;
  std::vector<std::size_t> order_;
  std::uint64_t epoch_ = 0;
};

}  // namespace finetune
