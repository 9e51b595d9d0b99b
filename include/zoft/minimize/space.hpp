/// What a function is minimised over: all of its arguments' space or a box, with arguments of one scale or of several.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/median.hpp"
#include "../core/number.hpp"

namespace zoft::inline ZOFT_ISA::minimizing {

/// xᵢ = clamp(scaleᵢ·yᵢ, lowerᵢ, upperᵢ), where y is what is moved. Each of the three is empty, one number for all, or
/// n.
template <number T>
class space {
 public:
  space(std::span<const T> x, const std::vector<double>& lower, const std::vector<double>& upper,
        const std::vector<double>& scale)
      : lower_(spread(lower, x.size(), "lower")),
        upper_(spread(upper, x.size(), "upper")),
        scale_(spread(scale, x.size(), "scale")) {
    for (std::size_t i = 0; i < scale_.size(); ++i)
      if (!(scale_[i] > 0 && is_finite(scale_[i])))
        fail(at("scale", i) + " is " + text(scale_[i]) + ", and must be above 0");
    check_bounds();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = wide(x[i]), least = lower_.empty() ? v : lower_[i], most = upper_.empty() ? v : upper_[i];
      if (!(least <= v && v <= most))
        fail(at("x", i) + " is " + text(v) + " at the start, and must be from " +
             (lower_.empty() ? "-inf" : text(least)) + " to " + (upper_.empty() ? "inf" : text(most)));
    }
  }

  /// Whether y is anything but x itself.
  bool maps() const { return !lower_.empty() || !upper_.empty() || !scale_.empty(); }

  /// y (n) -> x (n). Returns whether anything of y was outside of the box.
  bool shown(std::span<const T> y, std::span<T> x) const {
    bool outside = false;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double v = (rests(i) ? resting_[i].at : wide(y[i])) * scale(i);
      const arithmetic_t<T> inside = clamped(v, i);
      outside = outside || inside != static_cast<arithmetic_t<T>>(v);
      x[i] = T(inside);
    }
    return outside;
  }

  /// The median width of the box, in units of y; infinite where fewer than half of the numbers have both bounds.
  double width() const {
    std::vector<double> widths;
    for (std::size_t i = 0; i < std::min(lower_.size(), upper_.size()); ++i)
      widths.push_back((upper_[i] - lower_[i]) / scale(i));
    if (widths.empty()) return std::numeric_limits<double>::infinity();
    return median(std::move(widths));
  }

  /// x (n) -> y (n)
  void moved(std::span<const T> x, std::span<T> y) const {
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = T(static_cast<arithmetic_t<T>>(wide(x[i]) / scale(i)));
  }

  /// After a step: moves y back into the box. What a step took out of it rests at its bound for some steps, since there
  /// it has a slope that leads nowhere, and that would be noise to all others.
  void bound(std::span<T> y) {
    if (lower_.empty() && upper_.empty()) return;
    resting_.resize(y.size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      rest& r = resting_[i];
      if (r.steps > 0) {
        --r.steps;
        y[i] = T(static_cast<arithmetic_t<T>>(r.at));
        continue;
      }
      const double inside = static_cast<double>(clamped(wide(y[i]) * scale(i), i)) / scale(i);
      if (inside == wide(y[i])) continue;
      y[i] = T(static_cast<arithmetic_t<T>>(inside));
      r = {inside, 8};
    }
  }

  /// The run has gone elsewhere.
  void wake() { resting_.clear(); }

 private:
  struct rest {
    double at = 0;
    int steps = 0;
  };

  bool rests(std::size_t i) const { return !resting_.empty() && resting_[i].steps > 0; }
  static double wide(T v) { return static_cast<double>(static_cast<arithmetic_t<T>>(v)); }
  static std::string at(const char* what, std::size_t i) {
    return std::string("minimize: ") + what + "[" + text(i) + "]";
  }
  static std::vector<double> spread(const std::vector<double>& given, std::size_t n, const char* what) {
    require(given.size() <= 1 || given.size() == n, std::string("minimize: ") + what + " has " + text(given.size()) +
                                                        " numbers, and must have none, 1, or " + text(n) +
                                                        ", as x has");
    return given.size() == 1 ? std::vector<double>(n, given[0]) : given;
  }

  void check_bounds() const {
    for (std::size_t i = 0; i < std::max(lower_.size(), upper_.size()); ++i) {
      if (!lower_.empty() && std::isnan(lower_[i])) fail(at("lower", i) + " is nan, and must be a number");
      if (!upper_.empty() && std::isnan(upper_[i])) fail(at("upper", i) + " is nan, and must be a number");
      if (!lower_.empty() && !upper_.empty() && lower_[i] > upper_[i])
        fail(at("lower", i) + " is " + text(lower_[i]) + ", and must be at most upper[" + text(i) + "], which is " +
             text(upper_[i]));
    }
  }

  double scale(std::size_t i) const { return scale_.empty() ? 1.0 : scale_[i]; }
  arithmetic_t<T> clamped(double v, std::size_t i) const {
    if (!lower_.empty()) v = std::max(v, lower_[i]);
    if (!upper_.empty()) v = std::min(v, upper_[i]);
    return static_cast<arithmetic_t<T>>(v);
  }

  std::vector<double> lower_, upper_, scale_;
  std::vector<rest> resting_;
};

}  // namespace zoft::inline ZOFT_ISA::minimizing
