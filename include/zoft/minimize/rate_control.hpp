/// The rate over a run of minimize.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "../core/number.hpp"

namespace zoft::inline ZOFT_ISA::minimizing {

/// A rate that follows what steps bring. Along ĝ, a step of η changes a loss of curvature κ by
///
///     −η·(a − ½ηκb)          a = ĝᵀ∇L, which is the mean of the squared slopes that were measured
///
/// This is lowest where it is half of −η·a, what the slopes alone foretell. So of the decrease that is foretold, a
/// share ρ is seen, and η ← η/2(1 − ρ), by at most a factor of 2 down and 1.5 up at a time. Sums of both fade by a
/// fifth a look. The curvature that counts is that over a step, so kinks that are smaller than a step do no harm.
///
/// A rate that a user gave is not raised above it: it is only halved where the run was taken back, and doubled again
/// when the loss has fallen ten times in a row.
class rate_control {
 public:
  rate_control() = default;
  rate_control(double rate, bool measured) : rate_(rate), given_(measured ? HUGE_VAL : rate) {}

  double rate() const { return rate_; }

  /// After a look: by how much the loss fell since the last, and by how much it was foretold to. Less than `noise` says
  /// nothing.
  void looked(double fell, double foretold, bool lower_than_ever, double noise) {
    if (is_finite(given_)) {
      in_a_row_ = lower_than_ever ? in_a_row_ + 1 : 0;
      if (in_a_row_ == 10) in_a_row_ = 0, rate_ = std::min(2 * rate_, given_);
      return;
    }
    fell_ = 0.8 * fell_ + fell;
    foretold_ = 0.8 * foretold_ + foretold;
    if (!(foretold_ > noise)) return;
    const double missing = 1 - fell_ / foretold_;
    const double by = missing > 0 ? std::clamp(0.5 / missing, 0.5, 1.5) : 1.5;
    rate_ *= by;
    // What these sums would be at the new rate.
    foretold_ *= by;
    fell_ = foretold_ * (1 - missing * by);
  }

  void taken_back() {
    rate_ /= 2;
    in_a_row_ = 0;
    fell_ = foretold_ = 0;
  }

 private:
  double rate_ = 0, given_ = 0;
  int in_a_row_ = 0;
  double fell_ = 0, foretold_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::minimizing
