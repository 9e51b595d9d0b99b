/// A buffer of 8-bit codes that is moved to θ + a·z and comes back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "../../core/layout.hpp"
#include "../../core/piece.hpp"
#include "../../random/symmetric.hpp"
#include "misses.hpp"
#include "moved_buffer.hpp"

namespace zoft::inline ZOFT_ISA {

/// A buffer of codes w/s of quantised weights, one byte each. All codes of a row share one scale s.
///
/// Beside each code are 4 more bits, the residual r. What is trained is θ = s·(16·code + r)/16, r from −8 to 7. No
/// rounding is biased: before a number of codes, or of sixteenths, is rounded to nearest, uniform noise within ±1/2 is
/// added to it. The noise is a function of (seed, step, query, element).
///
/// Residuals are kept, or made again. Those that are made again are the sum of what earlier steps changed, in
/// sixteenths, from a step on that left none.
class quantised_codes {
 public:
  using value = std::int8_t;
  using arithmetic = float;

  /// change(j, Δ, s) makes Δ what the last step but j changed in a segment, and returns that step.
  struct earlier_steps {
    std::size_t count = 0;
    bool last = false;  ///< whether the coming update leaves no residual
    std::function<std::uint32_t(std::size_t j, std::span<float> change, const segment& s)> change = {};
  };

  /// Called before the first step, with the scales of all rows, tensor by tensor.
  void start(const layout& shape, std::span<const float> scales, bool keep_residuals = true) {
    scales_.assign(scales.begin(), scales.end());
    std::size_t row = 0;
    for (const tensor& t : shape) {
      first_row_[t.offset] = row;
      row += t.rows;
    }
    keeps_residuals_ = keep_residuals;
    if (keep_residuals) residuals_.assign((shape.size() + 1) / 2, 0x88);
  }

  template <class F>
  void each_state(F f) {
    f(residuals_);
  }

  /// Called before an update if residuals are made again.
  void make_again(earlier_steps from) { earlier_ = std::move(from); }

  void begin(std::size_t bytes, std::size_t moved) {
    misses_.begin(bytes, moved);
    codes_moved_ = 0;
  }

  /// How many elements the last sweep's updates have changed, in their code or their residual.
  std::uint64_t codes_moved() const { return codes_moved_; }

  /// code -> code + round(a·z/s), within ±127. The steps for a and −a are mirror images of each other.
  void perturb(std::span<value> x, float a, const float* z, const segment& s) {
    std::int16_t steps[most_moved];
    rounded_steps(x.size(), a, z, s, steps);
    for_each_group(x.size(), s.byte, [&](std::size_t first, std::size_t n, std::size_t byte) {
      std::int16_t missed[group] = {};
      for (std::size_t i = first; i < first + n; ++i) {
        const int wanted = x[i] + steps[i], moved = std::clamp(wanted, -most, most);
        missed[i - first] = static_cast<std::int16_t>(wanted - moved);
        x[i] = static_cast<value>(moved);
      }
      misses_.push(missed, n, byte);
    });
  }

  /// The inverse, exactly: what the limits cut off was stored.
  void recover(std::span<value> x, float a, const float* z, const segment& s) {
    std::int16_t steps[most_moved];
    rounded_steps(x.size(), a, z, s, steps);
    for_each_group(x.size(), s.byte, [&](std::size_t first, std::size_t n, std::size_t byte) {
      std::int16_t missed[group];
      misses_.pop(missed, n, byte);
      for (std::size_t i = first; i < first + n; ++i) x[i] = static_cast<value>(x[i] + missed[i - first] - steps[i]);
    });
  }

  void turn(std::span<value> x, float a, float b, const float* z, const segment& s) {
    recover(x, a, z, s);
    perturb(x, b, z, s);
  }

  /// θ -> what f(std::span<float>) makes of it, rounded to a sixteenth of a code. An element that f leaves alone keeps
  /// its bits.
  template <class F>
  void update(std::span<value> x, const segment& s, F f) {
    float scale[most_moved];
    fill_scales(std::span(scale, x.size()), s);
    if (keeps_residuals_)
      update_kept(x, scale, s, f);
    else
      update_made_again(x, scale, s, f);
  }

 private:
  template <class F>
  void update_kept(std::span<value> x, const float* scale, const segment& s, F f) {
    float before[most_moved], change[most_moved];
    int moves[most_moved];
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int sixteenths = 16 * x[i] + residual(s.first + i);
      before[i] = change[i] = simd::rounded(scale[i] * (static_cast<float>(sixteenths) * 0x1p-4f));
    }
    f(std::span(change, x.size()));
    for (std::size_t i = 0; i < x.size(); ++i) change[i] = simd::rounded(change[i] - before[i]);
    to_sixteenths(std::span<const float>(change, x.size()), scale, s, s.d.step, moves);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int from = 16 * x[i] + residual(s.first + i);
      const int sixteenths = std::clamp(from + moves[i], -16 * most - 8, 16 * most + 7), code = whole(sixteenths);
      count(s.first + i, sixteenths != from);
      x[i] = static_cast<value>(code);
      set_residual(s.first + i, sixteenths - 16 * code);
    }
  }

  /// The sum of the changes is one of sixteenths, from 0. The code has moved by its whole codes so far, and follows it.
  /// f makes the change of zeros: so the sum does not depend on θ, and earlier ones can be made again.
  template <class F>
  void update_made_again(std::span<value> x, const float* scale, const segment& s, F f) {
    float change[most_moved], noise[most_moved] = {};
    int moves[most_moved], sums[most_moved] = {};
    const std::span<float> piece(change, x.size());
    for (std::size_t j = earlier_.count; j-- > 0;) {
      std::fill(piece.begin(), piece.end(), 0.0f);
      to_sixteenths(piece, scale, s, earlier_.change(j, piece, s), moves);
      for (std::size_t i = 0; i < x.size(); ++i) sums[i] += moves[i];
    }
    std::fill(piece.begin(), piece.end(), 0.0f);
    f(piece);
    to_sixteenths(piece, scale, s, s.d.step, moves);
    if (earlier_.last)
      uniform({s.d.seed, s.d.step, 1}, random::stream::update_rounding).axpy(std::span(noise, x.size()), 0.5f, s.first);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int sum = sums[i] + moves[i];
      const int to = earlier_.last ? nearest(static_cast<float>(sum) * 0x1p-4f, noise[i], 1 << 20) : whole(sum);
      count(s.first + i, moves[i] != 0);
      x[i] = static_cast<value>(std::clamp(x[i] + to - whole(sums[i]), -most, most));
    }
  }

  static constexpr int most = 127;
  static constexpr std::size_t group = misses<std::int16_t>::group;
  static constexpr int furthest = 2 * most;  // from one end of the range to the other

  static random::drawn<random::symmetric> uniform(direction d, random::stream s) { return {d, s}; }

  /// To the nearest multiple of 16, halves up. What is left, the residual, is −8 … 7.
  static int whole(int sixteenths) { return (sixteenths + 8) >> 4; }

  void count(std::size_t element, bool moved) {
    codes_moved_ += moved && element % update::counted_every < update::counted_together;
  }

  /// round(16·Δ/s), with the noise of a step's update.
  static void to_sixteenths(std::span<const float> change, const float* scale, const segment& s, std::uint32_t step,
                            int* moves) {
    float noise[most_moved] = {};
    uniform({s.d.seed, step, 0}, random::stream::update_rounding).axpy(std::span(noise, change.size()), 0.5f, s.first);
    for (std::size_t i = 0; i < change.size(); ++i)
      moves[i] = nearest(simd::rounded(16 * simd::rounded(change[i] / scale[i])), noise[i], 4096);
  }

  /// value, clamped to ±limit, plus noise within ±1/2, rounded to nearest. NaN counts as the limit.
  static int nearest(float value, float noise, int limit) {
    const float bound = static_cast<float>(limit);
    const float sum = simd::rounded((value < bound ? value > -bound ? value : -bound : bound) + noise);
    // A number that is added to 1.5·2²³ loses just its fraction.
    return static_cast<int>(simd::rounded(simd::rounded(sum + 0x1.8p23f) - 0x1.8p23f));
  }

  /// round(a·z/s) for n elements
  void rounded_steps(std::size_t n, float a, const float* z, const segment& s, std::int16_t* steps) const {
    float scale[most_moved], noise[most_moved] = {};
    fill_scales(std::span(scale, n), s);
    uniform(s.d, random::stream::rounding).axpy(std::span(noise, n), a < 0 ? -0.5f : 0.5f, s.first);
    for (std::size_t i = 0; i < n; ++i)
      steps[i] =
          static_cast<std::int16_t>(nearest(simd::rounded(simd::rounded(a * z[i]) / scale[i]), noise[i], furthest));
  }

  /// The scale of each element's row.
  void fill_scales(std::span<float> to, const segment& s) const {
    const std::size_t columns = s.owner->columns, offset = s.first - s.owner->offset;
    std::size_t row = first_row_.at(s.owner->offset) + offset / columns;
    for (std::size_t i = 0, end = columns - offset % columns; i < to.size(); end += columns, ++row)
      for (; i < std::min(end, to.size()); ++i) to[i] = scales_[row];
  }

  template <class F>
  static void for_each_group(std::size_t n, std::size_t byte, F f) {
    for (std::size_t i = 0; i < n; i += group) f(i, std::min(group, n - i), byte + i / 8);
  }

  int residual(std::size_t i) const { return (residuals_[i / 2] >> (i % 2 * 4) & 15) - 8; }
  void set_residual(std::size_t i, int r) {
    const unsigned shift = i % 2 * 4, others = residuals_[i / 2] & ~(15u << shift);
    residuals_[i / 2] = static_cast<std::uint8_t>(others | static_cast<unsigned>(r + 8) << shift);
  }

  std::vector<float> scales_;
  std::map<std::size_t, std::size_t> first_row_;  // of each tensor, by its offset
  bool keeps_residuals_ = true;
  std::vector<std::uint8_t> residuals_;  // two in a byte, each + 8
  earlier_steps earlier_;
  std::uint64_t codes_moved_ = 0;
  misses<std::int16_t> misses_;
};

}  // namespace zoft::inline ZOFT_ISA
