/// The unit that multiplies bfloat16 pairs with AMX's tiles.
#pragma once

#include "pairs.hpp"

#if defined(ZOFT_HAS_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)

namespace zoft::inline ZOFT_ISA::nn::kernel {

#if defined(ZOFT_HAS_AMX)
/// Two by two tiles of sums, each of 16 rows by 16 columns, two tiles of x's rows and two of W's columns, each of 16
/// pairs. The asm statements tell the compiler that memory is read or written, because not all of the intrinsics do.
class amx_tiles {
  struct alignas(64) configuration {
    std::uint8_t palette, start_row, reserved[14];
    std::uint16_t row_bytes[16];
    std::uint8_t rows[16];
  };
  configuration before_;

 public:
  amx_tiles() {
    static const bool permitted = [] {
      constexpr long request_permission = 0x1023, tile_data = 18;
      return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    }();
    require(permitted,
            "AMX: this program is compiled for it, and the system does not permit its tiles: compile with "
            "-mno-amx-tile, or for another machine");
    static constexpr configuration all{1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_storeconfig(&before_);
    asm volatile("" : "+m"(before_)::"memory");
    _tile_loadconfig(&all);
  }
  /// Leaves the thread's tiles configured as they were: ggml, for one, does that once a thread, and counts on it.
  ~amx_tiles() {
    if (before_.palette == 0)
      _tile_release();
    else
      _tile_loadconfig(&before_);
  }
  amx_tiles(const amx_tiles&) = delete;
  amx_tiles& operator=(const amx_tiles&) = delete;

  static void clear() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  static void load_x(const std::uint32_t* upper, const std::uint32_t* lower, std::size_t stride) {
    asm volatile("" ::: "memory");
    _tile_loadd(4, upper, static_cast<long>(stride * 4));
    _tile_loadd(5, lower, static_cast<long>(stride * 4));
  }
  static void load_w(const std::uint32_t* left, const std::uint32_t* right, std::size_t stride) {
    _tile_loadd(6, left, static_cast<long>(stride * 4));
    _tile_loadd(7, right, static_cast<long>(stride * 4));
  }
  static void add_products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  /// Stores the sums to 32 rows of 32.
  static void store(float* to) {
    _tile_stored(0, to, 32 * 4);
    _tile_stored(1, to + 16, 32 * 4);
    _tile_stored(2, to + 16 * 32, 32 * 4);
    _tile_stored(3, to + 16 * 32 + 16, 32 * 4);
    asm volatile("" ::: "memory");
  }
};
#endif

/// Multiplies pairs of bfloat16 in tiles. `Tiles` is amx_tiles, or a test's own.
template <class Arch, class Tiles>
struct bf16_amx : pairs {
  using arch = Arch;
  using floats = simd::floats<Arch>;
  static constexpr std::size_t block_rows = 256, part = 2048, least_rows = 32, together = part;
  using session = Tiles;

  /// y (rows, columns of panel p) += x's inputs [first, first + count) times the panel's, or = if not `accumulate`.
  /// Each sum covers 2048 inputs, or 512 if W has codes. i8's sums are scaled. i4's and nf4's values are scaled before
  /// they are summed, and rounded to bfloat16.
  template <std::size_t Vectors>
  static void multiply_panel(rows_of<const element> x, std::size_t rows, const packed_matrix& w, std::size_t p,
                             std::size_t first, std::size_t count, rows_of<float> y, bool accumulate, element* wide) {
    const std::size_t padded = (count + 31) / 32 * 32, chunk = w.type() == dtype::bf16 ? part : 512;
    for (std::size_t at = 0; at < padded; at += chunk) {
      const std::size_t n = std::min(chunk, padded - at);
      const rows_of<const element> from{x.data + at / 2, x.stride};
      if (w.type() == dtype::bf16) {
        const element* const panel = w.panel<element>(p) + (first + at) / 2 * w.width();
        multiply<Vectors>(from, rows, panel, n / 2, y, accumulate || at > 0, w.columns(p));
        continue;
      }
      const float* scales = nullptr;
      if (w.type() == dtype::i8) {
        scales = w.scales(p, first + at);
        pairs::widen<Vectors>(w, p, first + at, n, wide);
      } else {
        simd::u32 even[Vectors] = {};
        w.template decode<Vectors>(p, first + at, n, [&](std::size_t i, const simd::f32(&values)[Vectors]) {
          for (std::size_t v = 0; v < Vectors; ++v) {
            const simd::u32 word = simd::rounded_to_bfloat16(values[v]);
            if (i % 2 == 0)
              even[v] = word >> 16;
            else
              simd::store(wide + (i / 2 * Vectors + v) * packed_matrix::lanes, even[v] | (word & 0xffff0000u));
          }
        });
      }
      multiply<Vectors>(from, rows, wide, n / 2, y, accumulate || at > 0, w.columns(p), scales);
    }
  }

  template <std::size_t Vectors>
  static void multiply_steps(rows_of<const element> x, std::size_t rows, const element* panel, std::size_t steps,
                             rows_of<float> y, std::size_t columns, bool accumulate) {
    multiply<Vectors>(x, rows, panel, steps, y, accumulate, columns);
  }

 private:
  /// Reads as many rows of x as fill tiles.
  template <std::size_t Vectors>
  static void multiply(rows_of<const element> x, std::size_t rows, const element* panel, std::size_t steps,
                       rows_of<float> y, bool accumulate, std::size_t columns, const float* scales = nullptr) {
    constexpr std::size_t width = Vectors * packed_matrix::lanes, tile = 16;
    alignas(64) float sums[2 * tile * 2 * tile];
    for (std::size_t row = 0; row < rows; row += 2 * tile) {
      const rows_of<const element> from = x.at(row);
      // With only 16 rows or columns, the second half repeats the first and its sums are ignored.
      const element* const lower = rows - row > tile ? from.at(tile).data : from.data;
      Tiles::clear();
      for (std::size_t i = 0; i < steps; i += tile) {
        Tiles::load_x(from.data + i, lower + i, x.stride);
        Tiles::load_w(panel + i * width, panel + i * width + (Vectors - 1) * tile, width);
        Tiles::add_products();
      }
      Tiles::store(sums);
      const std::size_t n = std::min(2 * tile, rows - row);
      for (std::size_t r = 0; r < n; ++r) {
        float* const to = y.at(row + r).data;
        const float* const sum = sums + r * 2 * tile;
        for (std::size_t c = 0; c < columns; ++c)
          to[c] = (accumulate ? to[c] : 0.0f) + (scales != nullptr ? scales[c] * sum[c] : sum[c]);
      }
    }
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn::kernel

#endif
