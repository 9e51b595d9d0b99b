/// A matrix of weights, packed once for the kernels that read it many times.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "../../core/dtype.hpp"
#include "../../core/number.hpp"
#include "../../simd/storage.hpp"
#include "codes.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Allocates memory aligned to cache lines: a vector that crosses a line takes two loads.
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

/// W (out, in), in panels of as many outputs as a kernel computes side by side. Panel p holds W[p·width + c][i], with
/// zeros after the last output, and after the last input up to a multiple of `inputs_together`:
///
///     f32        float at (i·width + c)
///     bf16       at ((i/2)·width + c)·2 + i mod 2
///     i8         code q in the byte at `place`: W ≈ s·q, with one scale s = max|w|/127 per output
///     i4, nf4    codes of 8 inputs in the word at ((i/8)·width + c), the even ones in its lower half: W ≈
///                s·(code − 8) with s = max|w|/7, or W ≈ s·nf4_values[code] with s = max|w|; one scale per 32 inputs
///                of an output
///
/// Each w becomes the nearest value that its type has. Ties go to the even code, in nf4 to the lower one.
class packed_matrix {
 public:
  static constexpr std::size_t lanes = simd::lanes;
  static constexpr std::size_t group = 32;  ///< inputs that share a scale in i4 and nf4
#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)
  static constexpr bool in_pairs = true;  ///< whether types other than f32 are multiplied as pairs of bfloat16
#else
  static constexpr bool in_pairs = false;
#endif

  packed_matrix() = default;
  packed_matrix(std::size_t out, std::size_t in, dtype type) { reshape(out, in, type); }

  /// Gives the matrix this shape and type, and reuses its memory. The weights are then arbitrary.
  void reshape(std::size_t out, std::size_t in, dtype type) {
    out_ = out;
    in_ = in;
    type_ = type;
    width_ = lanes * (out > lanes ? 2 : 1);
    constexpr int most = sizeof(std::size_t) > 4 ? 40 : 28;
    require(out > 0 && in > 0 && out <= (std::size_t{1} << most) / in, "pack: a matrix of " + text(out) + " by " +
                                                                           text(in) + ", and must have from 1 to 2^" +
                                                                           text(most) + " weights");
    require(type != dtype::f16, "pack: dtype is F16, and must be F32, BF16, I8, I4 or NF4");
    bytes_.resize(panels() * panel_bytes());
    scales_.resize(panels() * groups() * width_);
  }

  std::size_t out() const { return out_; }
  std::size_t in() const { return in_; }
  dtype type() const { return type_; }
  std::size_t width() const { return width_; }  ///< outputs of a panel
  std::size_t panels() const { return (out_ + width_ - 1) / width_; }
  std::size_t columns(std::size_t p) const { return std::min(width_, out_ - p * width_); }  ///< outputs in panel p
  std::size_t bytes() const { return bytes_.size() + scales_.size() * sizeof(float); }

  /// The inputs of a panel are filled up to a multiple of this.
  static constexpr std::size_t inputs_together(dtype type) {
    return type == dtype::f32 ? 1 : in_pairs ? 32 : type == dtype::bf16 ? 2 : type == dtype::i8 ? 1 : 8;
  }

  /// Rows [first, first + w.size()/in) of W become s·w, rounded once.
  void assign(std::span<const float> w, std::size_t first = 0, float s = 1) {
    require(w.size() % in_ == 0 && first + w.size() / in_ <= out_,
            "packed_matrix: " + text(w.size()) + " numbers from row " + text(first) + " do not fit " + text(out_) +
                " by " + text(in_));
    const std::size_t rows = w.size() / in_;
    if (type_ == dtype::f32)
      for_each_run(first, rows, [&](std::size_t row, std::size_t i, std::size_t count, std::size_t place) {
        const float* const from = w.data() + row * in_ + i;
        auto* const words = reinterpret_cast<float*>(bytes_.data() + place);
        for (std::size_t k = 0; k < count; ++k) words[k * width_] = s * from[k];
      });
    else if (type_ == dtype::bf16)
      for_each_run(first, rows, [&](std::size_t row, std::size_t i, std::size_t count, std::size_t place) {
        const float* const from = w.data() + row * in_ + i;
        auto* const words = reinterpret_cast<pair_of_bfloat16*>(bytes_.data() + place);
        std::uint32_t narrow[run] = {};
        for (std::size_t k = 0; k < count; ++k) narrow[k] = bfloat16(s * from[k]).bits;
        for (std::size_t k = 0; k < count; k += 2) words[k / 2 * width_] = narrow[k] | narrow[k + 1] << 16;
      });
    else
      for (std::size_t row = 0; row < rows; ++row) assign_codes(w.subspan(row * in_, in_), first + row, s);
  }

  /// Reads or writes the codes, each −127 … 127, of rows [first, first + size/in) of an i8 matrix. A weight is
  /// scale_of_row·code.
  void read_codes(std::size_t first, std::span<std::int8_t> to) const {
    for (std::size_t k = 0; k < to.size(); ++k)
      to[k] = static_cast<std::int8_t>(integer_of_code(bytes_[byte(first, k)]));
  }
  void assign_codes(std::span<const std::int8_t> codes, std::size_t first) {
    for (std::size_t k = 0; k < codes.size(); ++k) bytes_[byte(first, k)] = code_of_integer(codes[k]);
  }
  float scale_of_row(std::size_t o) const { return scale(o, 0); }

  float at(std::size_t o, std::size_t i) const {
    const std::byte* panel = bytes_.data() + o / width_ * panel_bytes();
    const std::size_t c = o % width_;
    if (type_ == dtype::f32) return reinterpret_cast<const float*>(panel)[i * width_ + c];
    if (type_ == dtype::bf16)
      return static_cast<float>(reinterpret_cast<const bfloat16*>(panel)[(i / 2 * width_ + c) * 2 + i % 2]);
    if (type_ == dtype::i8) return scale(o, i) * static_cast<float>(integer_of_code(panel[place(i, c)]));
    const auto both = static_cast<unsigned>(panel[place(i, c)]);
    return scale(o, i) * value_of_code(both >> nibble_shift(i) % 8 & 0xfu);
  }

  /// Row o, widened to floats: the look-up of an embedding.
  void row(std::size_t o, std::span<float> to) const {
    for (std::size_t i = 0; i < in_; ++i) to[i] = at(o, i);
  }
  /// Rows [first, first + to.size()/in), widened to floats.
  void read(std::size_t first, std::span<float> to) const {
    for_each_run(first, to.size() / in_, [&](std::size_t row, std::size_t i, std::size_t count, std::size_t place) {
      float* const at_row = to.data() + row * in_ + i;
      if (type_ == dtype::f32) {
        const auto* const words = reinterpret_cast<const float*>(bytes_.data() + place);
        for (std::size_t k = 0; k < count; ++k) at_row[k] = words[k * width_];
      } else if (type_ == dtype::bf16) {
        const auto* const words = reinterpret_cast<const pair_of_bfloat16*>(bytes_.data() + place);
        for (std::size_t k = 0; k < count; ++k)
          at_row[k] = std::bit_cast<float>(words[k / 2 * width_] << (k % 2 == 0 ? 16 : 0) & 0xffff0000u);
      } else {
        for (std::size_t k = 0; k < count; ++k) at_row[k] = at(first + row, i + k);
      }
    });
  }

  /// The contents of panel p.
  template <class T>
  const T* panel(std::size_t p) const {
    return reinterpret_cast<const T*>(bytes_.data() + p * panel_bytes());
  }

  /// The scales of panel p of i8, i4 or nf4, for inputs from `first` on.
  const float* scales(std::size_t p, std::size_t first) const {
    return scales_.data() + (p * groups() + (type_ == dtype::i8 ? 0 : first / group)) * width_;
  }

  /// Calls f(i, values) for inputs [first, first + count) of panel p of i8, i4 or nf4. `first` must be a multiple of
  /// 32. `values` are the panel's weights of input first + i, as floats.
  template <std::size_t Vectors, class F>
  [[gnu::always_inline]] void decode(std::size_t p, std::size_t first, std::size_t count, F f) const {
    using simd::f32, simd::i32, simd::u32;
    const float* s_at = scales(p, first);
    f32 s[Vectors] = {}, values[Vectors];
    const auto load_scales = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < Vectors; ++v) s[v] = simd::load<f32>(s_at + v * lanes);
      s_at += width_;
    };
    if (type_ == dtype::i8) {
      const auto* codes = panel<std::int8_t>(p) + first * width_;
      load_scales();
      for (std::size_t i = 0; i < count; ++i, codes += width_) {
#pragma GCC unroll 2
        for (std::size_t v = 0; v < Vectors; ++v)
          values[v] = s[v] * __builtin_convertvector(simd::load_wide(codes + v * lanes), f32);
        f(i, values);
      }
      return;
    }
    const auto* codes = panel<std::uint32_t>(p) + first / 8 * width_;
    const auto in_groups = [&](auto value_of) __attribute__((always_inline)) {
      for (std::size_t i = 0; i < count; i += 8, codes += width_) {
        if (i % group == 0) load_scales();
        u32 word[Vectors];
#pragma GCC unroll 2
        for (std::size_t v = 0; v < Vectors; ++v) word[v] = simd::load<u32>(codes + v * lanes);
        for (std::size_t k = 0; k < std::min(count - i, std::size_t{8}); ++k) {
#pragma GCC unroll 2
          for (std::size_t v = 0; v < Vectors; ++v)
            values[v] =
                s[v] * value_of(reinterpret_cast<i32>(word[v] >> static_cast<std::uint32_t>(nibble_shift(k)) & 0xfu));
          f(i + k, values);
        }
      }
    };
    if (type_ == dtype::i4)
      in_groups([](i32 code) { return __builtin_convertvector(code - 8, f32); });
    else
      in_groups([](i32 code) { return look_up(code); });
  }

#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)
  /// Calls f(step, pairs) for inputs [first, first + count) of panel p of i8, i4 or nf4. `first` and `count` must be
  /// multiples of 32. `pairs` are the values of the codes at inputs first + 2·step and first + 2·step + 1, in bfloat16,
  /// without the scale.
  template <std::size_t Vectors, class F>
  [[gnu::always_inline]] void decode_pairs(std::size_t p, std::size_t first, std::size_t count, F f) const {
    using simd::u16, simd::u32;
    u32 pairs[Vectors];
    if (type_ == dtype::i8) {
      using bytes [[gnu::vector_size(64)]] = std::uint8_t;
      const auto* codes = panel<std::uint8_t>(p) + first * width_;
      const auto upper = [](std::size_t h) { return simd::load<__m512i>(codes::upper_bytes.data() + h * 64); };
      const auto lower = [](std::size_t h) { return simd::load<__m512i>(codes::lower_bytes.data() + h * 64); };
      const __m512i u0 = upper(0), u1 = upper(1), l0 = lower(0), l1 = lower(1);
      for (std::size_t step = 0; step < count / 2; step += 2 / Vectors, codes += 64) {
        __builtin_prefetch(codes + 2048);
        const auto code = simd::load<bytes>(codes);
        const auto high =
            reinterpret_cast<bytes>(_mm512_permutex2var_epi8(u0, reinterpret_cast<__m512i>(code), u1)) | (code & 0x80);
        const __m512i low = _mm512_permutex2var_epi8(l0, reinterpret_cast<__m512i>(code), l1);
        const auto even = reinterpret_cast<u32>(_mm512_unpacklo_epi8(low, reinterpret_cast<__m512i>(high)));
        const auto odd = reinterpret_cast<u32>(_mm512_unpackhi_epi8(low, reinterpret_cast<__m512i>(high)));
        pairs[0] = even;
        if constexpr (Vectors == 2) {
          pairs[1] = odd;
          f(step, pairs);
        } else {
          f(step, pairs);
          pairs[0] = odd;
          f(step + 1, pairs);
        }
      }
      return;
    }
    const auto* codes = panel<std::uint32_t>(p) + first / 8 * width_;
    const auto values = simd::load<__m512i>(type_ == dtype::i4 ? codes::i4_words.data() : codes::nf4_words.data());
    for (std::size_t step = 0; step < count / 2; step += 4, codes += width_) {
      u16 word[Vectors];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < Vectors; ++v) {
        __builtin_prefetch(codes + v * lanes + 512);
        word[v] = simd::load<u16>(codes + v * lanes);
      }
#pragma GCC unroll 4
      for (std::uint16_t k = 0; k < 4; ++k) {
        // The look-up takes the lowest 5 bits of a word, so the table holds its 16 values twice.
#pragma GCC unroll 2
        for (std::size_t v = 0; v < Vectors; ++v)
          pairs[v] = reinterpret_cast<u32>(
              _mm512_maskz_permutexvar_epi16(~__mmask32{}, reinterpret_cast<__m512i>(word[v] >> (4 * k)), values));
        f(step + k, pairs);
      }
    }
  }
#endif

 private:
  /// nf4_values[code], lane by lane.
  [[gnu::always_inline]] static simd::f32 look_up(simd::i32 code) {
#if defined(ZOFT_HAS_AVX512)
    return reinterpret_cast<simd::f32>(
        _mm512_maskz_permutexvar_ps(0xffff, reinterpret_cast<__m512i>(code), _mm512_loadu_ps(nf4_values.data())));
#else
    simd::f32 result;
    for (std::size_t i = 0; i < lanes; ++i) result[i] = nf4_values[static_cast<std::size_t>(code[i])];
    return result;
#endif
  }

  using pair_of_bfloat16 [[gnu::may_alias]] = std::uint32_t;  // two bfloat16
  static constexpr std::size_t run = 32;                      // an even number of inputs of one row

  /// Calls f(row, i, count, place) for inputs [i, i + count) of each row first + row. The rows of a panel take turns,
  /// for the sake of cache. For f32 and bf16, the inputs are words of 4 bytes that begin at byte `place`, width_ words
  /// apart.
  template <class F>
  void for_each_run(std::size_t first, std::size_t rows, F f) const {
    for (std::size_t begin = 0, end; begin < rows; begin = end) {
      end = std::min(rows, begin + width_ - (first + begin) % width_);
      const std::size_t panel = (first + begin) / width_ * panel_bytes();
      for (std::size_t i = 0; i < in_; i += run)
        for (std::size_t row = begin; row < end; ++row)
          f(row, i, std::min(run, in_ - i),
            panel + ((type_ == dtype::f32 ? i : i / 2) * width_ + (first + row) % width_) * 4);
    }
  }

  std::size_t panel_bytes() const {
    const std::size_t together = inputs_together(type_);
    return width_ * ((in_ + together - 1) / together * together) * bits_of(type_) / 8;
  }
  /// The byte that holds the i8, i4 or nf4 code of input i in column c of a panel.
  std::size_t place(std::size_t i, std::size_t c) const {
    if (type_ != dtype::i8) return (i / 8 * width_ + c) * 4 + nibble_shift(i) / 8;
    if (!in_pairs) return i * width_ + c;
    // In 64 bytes, the lower halves of every 16 become one vector of pairs, and the upper halves another.
    const std::size_t pair = i / 2 * (width_ / lanes) + c / lanes;
    return pair / 2 * 64 + c % lanes / 4 * 16 + pair % 2 * 8 + c % 4 * 2 + i % 2;
  }
  /// The bit at which the code of input i begins in its word of 8 inputs.
  static constexpr std::size_t nibble_shift(std::size_t i) { return i % 2 * 16 + i % 8 / 2 * 4; }

  /// The byte of i8's element k, counted from the beginning of row `first`.
  std::size_t byte(std::size_t first, std::size_t k) const {
    const std::size_t o = first + k / in_;
    return o / width_ * panel_bytes() + place(k % in_, o % width_);
  }

  // If i8 is decoded to pairs, a code is a sign and a magnitude. Tables give the two bytes of bfloat16 for the
  // magnitude.
  static int integer_of_code(std::byte code) {
    const auto q = static_cast<int>(code);
    return in_pairs ? (q < 128 ? q : 128 - q) : static_cast<std::int8_t>(code);
  }
  static std::byte code_of_integer(int q) { return static_cast<std::byte>(in_pairs && q < 0 ? 128 - q : q); }

  /// The number of scales per output.
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

  /// Sets row o of an i8, i4 or nf4 matrix to s·w.
  void assign_codes(std::span<const float> w, std::size_t o, float s) {
    std::byte* panel = bytes_.data() + o / width_ * panel_bytes();
    const std::size_t c = o % width_, together = type_ == dtype::i8 ? in_ : group;
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
        std::byte& code = panel[place(i, c)];
        if (type_ == dtype::i8) {
          code = code_of_integer(static_cast<int>(std::nearbyint(value)));
        } else {
          const std::size_t shift = nibble_shift(i) % 8;
          code = (code & std::byte{0xf0} >> shift) | static_cast<std::byte>(code_of(value) << shift);
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
  // A quotient, because the product may overflow.
  require(out > 0 && in > 0 && weights.size() % out == 0 && weights.size() / out == in,
          "pack: " + text(weights.size()) + " weights were given, and " + text(out) + " by " + text(in) +
              " are wanted, at least 1 by 1");
  packed_matrix result(out, in, type);
  result.assign(weights);
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
