// What one core of this machine can do at most, measured once a run: multiply-adds on registers, and reading memory.
#pragma once

// zoft comes first, as it includes <immintrin.h> in the way that keeps GCC 12 from a false warning.
#include <benchmark/benchmark.h>

#include <zoft/nn/kernel/matmul.hpp>

// Clang calls it by the other name until its version 15.
#if defined(__AMX_BF16__) || defined(__AMXBF16__)
#define ZOFT_BENCH_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <vector>

namespace bench {

template <class F>
double seconds(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The least of many short turns: what disturbs a loop only ever makes it longer. The processor's time, as it is what
/// the rates of products on one thread are counted in.
template <class F>
double least_seconds(F f) {
  double least = 1e30;
  for (int turn = 0; turn < 40; ++turn) {
    const std::clock_t start = std::clock();
    f();
    least = std::min(least, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return least;
}

// These loops are functions of their own, because GCC keeps the sums in registers only there: inlined into more, it
// stores and loads them in each turn, and the peak comes out as a third of what it is.

inline constexpr int turns_of_chains = 200'000;

template <std::size_t Chains>
[[gnu::noinline]] inline void run_fma_chains() {
  using floats = zoft::simd::floats<>;
  floats sum[Chains], x(1.0001f), y(0.0001f);
  for (floats& s : sum) s = y;
  for (int turn = 0; turn < turns_of_chains; ++turn)
#pragma GCC unroll 24
    for (std::size_t i = 0; i < Chains; ++i) sum[i] = zoft::simd::fma<zoft::simd::arch>(sum[i], x, y);
  for (std::size_t i = 1; i < Chains; ++i) sum[0] = sum[0] + sum[i];
  benchmark::DoNotOptimize(sum[0]);
}

/// FLOP/s of independent fp32 multiply-adds, as many as hide their latency.
inline double peak_fma() {
  static const double measured = [] {
    constexpr std::size_t chains = zoft::simd::vector_registers == 32 ? 24 : 12;
    return 2.0 * chains * zoft::simd::floats<>::size * turns_of_chains / least_seconds(run_fma_chains<chains>);
  }();
  return measured;
}

#ifdef __AVX512BF16__
template <std::size_t Chains>
[[gnu::noinline]] inline void run_dot_chains() {
  __m512 sum[Chains];
  __m512bh x, y;
  std::memset(&x, 0x3c, sizeof x);
  std::memset(&y, 0x3c, sizeof y);
  for (__m512& s : sum) s = _mm512_set1_ps(0.0001f);
  for (int turn = 0; turn < turns_of_chains; ++turn)
#pragma GCC unroll 24
    for (std::size_t i = 0; i < Chains; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
  __m512 all = sum[0];
  for (std::size_t i = 1; i < Chains; ++i) all = _mm512_add_ps(all, sum[i]);
  benchmark::DoNotOptimize(all);
}
#endif

/// FLOP/s of AVX-512's dot product of bf16 pairs; 0 where it is not compiled for.
inline double peak_dot() {
#ifdef __AVX512BF16__
  static const double measured = 2.0 * 24 * 32 * turns_of_chains / least_seconds(run_dot_chains<24>);
  return measured;
#else
  return 0;
#endif
}

/// FLOP/s of AMX's product of bf16 tiles; 0 where it is not compiled for, or the system does not permit it.
inline double peak_amx() {
#ifdef ZOFT_BENCH_AMX
  static const double measured = [] {
    constexpr long request_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM of <asm/prctl.h>
    if (::syscall(SYS_arch_prctl, request_permission, tile_data) != 0) return 0.0;
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t bytes_of_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } shape;
    static_assert(sizeof shape == 64);
    alignas(64) std::uint8_t tile[1024] = {};
    constexpr int turns = 100'000;
    // GCC does not see that the instructions read all of these.
    benchmark::DoNotOptimize(shape);
    benchmark::DoNotOptimize(tile);
    _tile_loadconfig(&shape);
    _tile_loadd(4, tile, 64);
    _tile_loadd(5, tile, 64);
    _tile_loadd(6, tile, 64);
    _tile_loadd(7, tile, 64);
    const double least = least_seconds([&] {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (int turn = 0; turn < turns; ++turn) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      _tile_stored(0, tile, 64);
    });
    _tile_release();
    return 2.0 * 4 * 16 * 16 * 32 * turns / least;
  }();
  return measured;
#else
  return 0;
#endif
}

/// FLOP/s of the fastest unit that numbers stored so may be multiplied by: fp32 by fused multiply-adds, and all that
/// has no more than 16 bits also by what multiplies bf16.
inline double peak_of(zoft::nn::dtype type) {
  return zoft::nn::bits_of(type) > 16 ? peak_fma() : std::max({peak_fma(), peak_dot(), peak_amx()});
}

/// Bytes/s of reading far more than the cache holds.
inline double read_bandwidth() {
  static const double measured = [] {
    using floats = zoft::simd::floats<>;
    const std::vector<float> data(std::size_t{64} << 20, 1.0f);
    return static_cast<double>(data.size() * sizeof(float)) / least_seconds([&] {
             floats sum[8];
             for (floats& s : sum) s = floats(0.0f);
             for (std::size_t i = 0; i < data.size(); i += 8 * floats::size)
               for (std::size_t j = 0; j < 8; ++j)
                 sum[j] = sum[j] + floats::load_unaligned(&data[i + j * floats::size]);
             for (std::size_t j = 1; j < 8; ++j) sum[0] = sum[0] + sum[j];
             benchmark::DoNotOptimize(sum[0]);
           });
  }();
  return measured;
}

}  // namespace bench
