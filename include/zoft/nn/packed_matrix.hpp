/// Weights that are packed once, for the kernels that read them many times.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "../number.hpp"
#include "../simd/storage.hpp"
#include "dtype.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Memory at cache lines: a vector that lies across two of them takes two loads.
template <class T>
struct line_allocator {
  using value_type = T;
  static constexpr std::align_val_t line{64};

  line_allocator() = default;
  template <class U>
  line_allocator(const line_allocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), line)); }
  void deallocate(T* at, std::size_t) { ::operator delete(at, line); }
  bool operator==(const line_allocator&) const = default;
};

/// The values of nf4's codes: quantiles of N(0, 1) over its greatest, 0 among them, as the reference program of
/// Dettmers et al. has them.
inline constexpr std::array<float, 16> nf4_values{
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

/// W (out, in), in panels of as many outputs as a kernel computes side by side. In panel p stands W[p·width + c][i],
/// with zeros behind the last output, and behind the last input where pairs or groups are cut:
///
///     f32        float at (i·width + c)
///     bf16       at ((i/2)·width + c)·2 + i mod 2
///     i8         code q at (i·width + c): W ≈ s·q, a scale s = max|w|/127 an output
///     i4, nf4    codes of i even (the lower half) and of i + 1 (the upper) in the byte at ((i/2)·width + c): W ≈
///                s·(code − 8) with s = max|w|/7, or W ≈ s·nf4_values[code] with s = max|w|; a scale for each 32 inputs
///                of an output
///
/// Each w becomes the nearest value there is; ties go to the even code, in nf4 to the lower one.
class packed_matrix {
 public:
  static constexpr std::size_t lanes = simd::lanes;
  static constexpr std::size_t group = 32;  ///< inputs that share a scale in i4 and nf4

  packed_matrix() = default;
  packed_matrix(std::size_t out, std::size_t in, dtype type)
      : out_(out), in_(in), type_(type), width_(lanes * (out > lanes ? 2 : 1)) {
    require(type != dtype::f16, "pack: dtype is F16, and must be F32, BF16, I8, I4 or NF4");
    bytes_.resize(panels() * panel_bytes());
    scales_.resize(panels() * groups() * width_);
  }

  std::size_t out() const { return out_; }
  std::size_t in() const { return in_; }
  dtype type() const { return type_; }
  std::size_t width() const { return width_; }  ///< outputs of a panel
  std::size_t panels() const { return (out_ + width_ - 1) / width_; }
  std::size_t bytes() const { return bytes_.size() + scales_.size() * sizeof(float); }

  /// Rows [first, first + w.size()/in) of W become s·w, rounded once.
  void assign(std::span<const float> w, std::size_t first = 0, float s = 1) {
    require(w.size() % in_ == 0 && first + w.size() / in_ <= out_,
            "packed_matrix: " + text(w.size()) + " numbers from row " + text(first) + " do not fit " + text(out_) +
                " by " + text(in_));
    for (std::size_t from = 0; from < w.size(); from += in_, ++first) assign_row(w.subspan(from, in_), first, s);
  }

  float at(std::size_t o, std::size_t i) const {
    const std::byte* panel = bytes_.data() + o / width_ * panel_bytes();
    const std::size_t c = o % width_;
    switch (type_) {
      case dtype::f32:
        return reinterpret_cast<const float*>(panel)[i * width_ + c];
      case dtype::bf16:
        return static_cast<float>(reinterpret_cast<const bfloat16*>(panel)[(i / 2 * width_ + c) * 2 + i % 2]);
      case dtype::i8:
        return scale(o, i) * static_cast<float>(reinterpret_cast<const std::int8_t*>(panel)[i * width_ + c]);
      default:
        return scale(o, i) * value_of_code(static_cast<unsigned>(panel[i / 2 * width_ + c]) >> (i % 2 * 4) & 0xfu);
    }
  }

  /// Row o, widened: what an embedding looks up.
  void row(std::size_t o, std::span<float> to) const {
    for (std::size_t i = 0; i < in_; ++i) to[i] = at(o, i);
  }

  /// What panel p holds.
  template <class T>
  const T* panel(std::size_t p) const {
    return reinterpret_cast<const T*>(bytes_.data() + p * panel_bytes());
  }

  /// Calls f(i, values) for inputs [first, first + count) of panel p of i8, i4 or nf4, first being a multiple of 32:
  /// values are the panel's weights of input first + i, as floats.
  template <std::size_t Vectors, class F>
  [[gnu::always_inline]] void decode(std::size_t p, std::size_t first, std::size_t count, F f) const {
    using simd::f32, simd::i32;
    const std::size_t at = first * width_ * bits_of(type_) / 8;
    const float* scales = scales_.data() + (p * groups() + (type_ == dtype::i8 ? 0 : first / group)) * width_;
    f32 s[Vectors], values[Vectors];
    if (type_ == dtype::i8) {
      const auto* codes = panel<std::int8_t>(p) + at;
      for (std::size_t v = 0; v < Vectors; ++v) s[v] = simd::load<f32>(scales + v * lanes);
      for (std::size_t i = 0; i < count; ++i, codes += width_) {
        for (std::size_t v = 0; v < Vectors; ++v)
          values[v] = s[v] * __builtin_convertvector(simd::load_wide(codes + v * lanes), f32);
        f(i, values);
      }
      return;
    }
    const auto* codes = panel<std::uint8_t>(p) + at;
    const auto in_groups = [&](auto value_of) {
      for (std::size_t i = 0; i < count; i += 2, codes += width_) {
        if (i % group == 0) {
          for (std::size_t v = 0; v < Vectors; ++v) s[v] = simd::load<f32>(scales + v * lanes);
          scales += width_;
        }
        i32 both[Vectors];
        for (std::size_t v = 0; v < Vectors; ++v) {
          both[v] = simd::load_wide(codes + v * lanes);
          values[v] = s[v] * value_of(both[v] & 0xf);
        }
        f(i, values);
        if (i + 1 == count) break;
        for (std::size_t v = 0; v < Vectors; ++v) values[v] = s[v] * value_of(both[v] >> 4);
        f(i + 1, values);
      }
    };
    if (type_ == dtype::i4)
      in_groups([](i32 code) { return __builtin_convertvector(code - 8, f32); });
    else
      in_groups([](i32 code) { return look_up(code); });
  }

 private:
  /// nf4_values[code], lane by lane.
  [[gnu::always_inline]] static simd::f32 look_up(simd::i32 code) {
#if defined(ZOFT_HAS_AVX512)
    return (simd::f32)_mm512_maskz_permutexvar_ps(0xffff, (__m512i)code, _mm512_loadu_ps(nf4_values.data()));
#else
    simd::f32 result;
    for (std::size_t i = 0; i < lanes; ++i) result[i] = nf4_values[static_cast<std::size_t>(code[i])];
    return result;
#endif
  }

  std::size_t panel_bytes() const {
    const std::size_t even = (in_ + 1) / 2 * 2;
    return width_ * (type_ == dtype::f32 || type_ == dtype::i8 ? in_ : even) * bits_of(type_) / 8;
  }
  /// Scales of an output.
  std::size_t groups() const { return type_ == dtype::i8 ? 1 : bits_of(type_) == 4 ? (in_ + group - 1) / group : 0; }
  std::size_t scale_place(std::size_t o, std::size_t i) const {
    return (o / width_ * groups() + (type_ == dtype::i8 ? 0 : i / group)) * width_ + o % width_;
  }
  float scale(std::size_t o, std::size_t i) const { return scales_[scale_place(o, i)]; }

  float value_of_code(unsigned code) const {
    return type_ == dtype::i4 ? static_cast<float>(static_cast<int>(code) - 8) : nf4_values[code];
  }
  /// The code whose value is nearest.
  unsigned code_of(float value) const {
    if (type_ == dtype::i4) return static_cast<unsigned>(static_cast<int>(std::nearbyint(value)) + 8);
    unsigned code = 0;
    while (code < 15 && value > (nf4_values[code] + nf4_values[code + 1]) / 2) ++code;
    return code;
  }

  void assign_row(std::span<const float> w, std::size_t o, float s) {
    std::byte* panel = bytes_.data() + o / width_ * panel_bytes();
    const std::size_t c = o % width_;
    if (type_ == dtype::f32) {
      for (std::size_t i = 0; i < in_; ++i) reinterpret_cast<float*>(panel)[i * width_ + c] = s * w[i];
    } else if (type_ == dtype::bf16) {
      for (std::size_t i = 0; i < in_; ++i)
        reinterpret_cast<bfloat16*>(panel)[(i / 2 * width_ + c) * 2 + i % 2] = bfloat16(s * w[i]);
    } else {
      const std::size_t together = type_ == dtype::i8 ? in_ : group;
      for (std::size_t first = 0; first < in_; first += together) {
        const std::size_t end = std::min(in_, first + together);
        float greatest = 0;
        for (std::size_t i = first; i < end; ++i) {
          const float value = s * w[i];
          if (!is_finite(value))
            fail("pack: the weight of row " + text(o) + ", column " + text(i) + " is " + text(value) +
                 ", and must be finite to be kept as " + std::string(name_of(type_)));
          greatest = std::max(greatest, std::abs(value));
        }
        const float most = type_ == dtype::i8 ? 127.0f : type_ == dtype::i4 ? 7.0f : 1.0f;
        const float unit = greatest / most;
        scales_[scale_place(o, first)] = unit;
        for (std::size_t i = first; i < end; ++i) {
          const float value = unit > 0 ? std::clamp(s * w[i] / unit, -most, most) : 0.0f;
          if (type_ == dtype::i8) {
            panel[i * width_ + c] = static_cast<std::byte>(static_cast<std::int8_t>(std::nearbyint(value)));
          } else {
            std::byte& both = panel[i / 2 * width_ + c];
            both = i % 2 == 0 ? (both & std::byte{0xf0}) | static_cast<std::byte>(code_of(value))
                              : (both & std::byte{0x0f}) | static_cast<std::byte>(code_of(value) << 4);
          }
        }
      }
    }
  }

  std::size_t out_ = 0, in_ = 0;
  dtype type_ = dtype::f32;
  std::size_t width_ = lanes;
  std::vector<std::byte, line_allocator<std::byte>> bytes_;
  std::vector<float, line_allocator<float>> scales_;
};

/// W (out, in) row-major -> panels.
inline packed_matrix pack(std::span<const float> weights, std::size_t out, std::size_t in, dtype type = dtype::f32) {
  require(weights.size() == out * in && !weights.empty(), "pack: " + text(weights.size()) +
                                                              " weights were given, and " + text(out) + " by " +
                                                              text(in) + " are " + text(out * in));
  packed_matrix result(out, in, type);
  result.assign(weights);
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
