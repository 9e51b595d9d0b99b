/// A functor that is audited, of either form, as losses of stacked points.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "../concepts.hpp"
#include "../core/candidates.hpp"
#include "../core/functor_ref.hpp"
#include "../core/number.hpp"
#include "audit_report.hpp"

namespace zoft::inline ZOFT_ISA::tuning {

/// Refers to the functor, which is shown points one at a time or as candidates.
template <number T>
class audited {
 public:
  template <class F>
  audited(F& f, const audit_options& o) {
    if constexpr (batch_objective<F, zoft::candidates<T>>) {
      all_.emplace(f);
      most_ = o.candidates;
      fixed_ = o.fixed;
    } else {
      one_.emplace(f);
    }
  }

  std::size_t candidates() const { return most_; }
  std::size_t evaluations() const { return evaluations_; }

  /// The losses of points (count, n), in calls of candidates().
  std::vector<double> operator()(std::span<const T> points, std::size_t n) {
    std::vector<double> losses(points.size() / n, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < losses.size(); i += most_) {
      const std::size_t count = std::min(most_, losses.size() - i);
      call(points.subspan(i * n, count * n), n, std::span(losses).subspan(i, count));
    }
    return losses;
  }

  /// The loss of one point by itself.
  double alone(std::span<const T> x) {
    double loss = std::numeric_limits<double>::quiet_NaN();
    call(x, x.size(), {&loss, 1});
    return loss;
  }

 private:
  void call(std::span<const T> points, std::size_t n, std::span<double> losses) {
    if (one_) {
      ++evaluations_;
      losses[0] = (*one_)(points);
    } else if (!fixed_ || losses.size() == most_) {
      evaluations_ += losses.size();
      (*all_)(zoft::candidates<T>(points.data(), losses.size(), n), losses);
    } else {
      // The last of the points fills the places that are left.
      std::vector<T> full(points.begin(), points.end());
      for (std::size_t i = losses.size(); i < most_; ++i)
        full.insert(full.end(), points.end() - std::ptrdiff_t(n), points.end());
      std::vector<double> all(most_, std::numeric_limits<double>::quiet_NaN());
      evaluations_ += most_;
      (*all_)(zoft::candidates<T>(full.data(), most_, n), std::span(all));
      std::copy_n(all.begin(), losses.size(), losses.begin());
    }
  }

  std::optional<functor_ref<double(std::span<const T>)>> one_;
  std::optional<functor_ref<void(const zoft::candidates<T>&, std::span<double>)>> all_;
  std::size_t most_ = 1;
  bool fixed_ = false;
  std::size_t evaluations_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::tuning
