/// What a functor receives: copies of the parameters, each at its own point, stacked in one buffer.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// A point at which the loss is evaluated: θ + scale · z(query).
struct point {
  std::size_t query = 0;  ///< names z
  double scale = 0;       ///< of z; 0 for θ itself
};

/// Candidate i is c[i]. All candidates lie in one buffer (size(), dimension()), row-major.
template <class T>
class candidates {
 public:
  /// A view of `count` candidates of `dimension` parameters each. `owner`, if there is one, keeps these alive.
  candidates(const T* stack, std::size_t count, std::size_t dimension, std::shared_ptr<const void> owner = {})
      : stack_(stack), count_(count), dimension_(dimension), owner_(std::move(owner)) {}

  std::size_t size() const { return count_; }           ///< number of candidates
  std::size_t dimension() const { return dimension_; }  ///< parameters in each
  /// The parameters of candidate i.
  std::span<const T> operator[](std::size_t i) const { return {stack_ + i * dimension_, dimension_}; }
  /// Those of all candidates.
  std::span<const T> stack() const { return {stack_, count_ * dimension_}; }
  const std::shared_ptr<const void>& owner() const { return owner_; }  ///< of the buffer, if it is shared

 private:
  const T* stack_;
  std::size_t count_;
  std::size_t dimension_;
  std::shared_ptr<const void> owner_;
};

}  // namespace zoft::inline ZOFT_ISA
