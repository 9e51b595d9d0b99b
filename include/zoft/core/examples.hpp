/// What a functor takes if each of its losses is that of one example, not of the batch. It says so by these types.
#pragma once

#include <cstddef>
#include <span>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// Which example of the batch a loss is of: double(std::span<const T>, zoft::example).
struct example {
  std::size_t index = 0;  ///< from 0, less than the number of examples of a batch
};

/// Where a functor writes its losses: void(candidates, zoft::example_losses). losses[i] is that of candidate i on
/// example example_of(i) alone. It does not convert to a span, as what writes losses of the batch takes one.
class example_losses {
 public:
  /// Of points first, first + 1, … of a step, where point i is evaluated on example i mod batch_size.
  example_losses(std::span<double> losses, std::size_t batch_size, std::size_t first = 0)
      : losses_(losses), batch_size_(batch_size), first_(first) {}

  std::size_t size() const { return losses_.size(); }     ///< of candidates
  std::size_t batch_size() const { return batch_size_; }  ///< examples of the batch
  /// The example that candidate i is evaluated on.
  std::size_t example_of(std::size_t i) const { return (first_ + i) % batch_size_; }
  /// The loss of candidate i.
  double& operator[](std::size_t i) const { return losses_[i]; }

  /// The losses as a span, for a function that is known to evaluate one example each.
  std::span<double> values() const { return losses_; }

 private:
  std::span<double> losses_;
  std::size_t batch_size_;
  std::size_t first_;
};

}  // namespace zoft::inline ZOFT_ISA
