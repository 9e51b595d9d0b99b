// AMX's tiles as arrays, for a program that is compiled for AMX and runs where AVX512_BF16 is: included before all
// else, it takes the place of the intrinsics, and of the question whether the system permits them.
#pragma once

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <zoft/core/config.hpp>

// From here on nothing asks whether the processor has AMX, but for the rest of what this is compiled for.
#undef __AMX_TILE__
#undef __AMX_BF16__
#include <zoft/nn/kernel/start.hpp>

namespace emulated_amx {

using tile = std::uint32_t[16][16];

struct registers {
  bool configured = false;
  tile tiles[8];

  tile& operator[](int i) {
    if (!configured) throw std::logic_error("AMX: a tile is used before it is configured, or after its release");
    return tiles[i];
  }
};

inline thread_local registers all;

struct configuration {
  std::uint8_t bytes[64] = {};
};

// Palette 1, and 8 tiles of 16 rows of 64 bytes: what the rest of this can.
inline configuration known() {
  configuration result{{1}};
  for (std::size_t i = 0; i < 8; ++i) result.bytes[16 + 2 * i] = 64, result.bytes[48 + i] = 16;
  return result;
}
inline void configure(const void* from) {
  if (std::memcmp(from, known().bytes, 64) != 0) throw std::logic_error("AMX: another configuration");
  all.configured = true;
}
inline void tell_configuration(void* to) { std::memcpy(to, (all.configured ? known() : configuration()).bytes, 64); }
inline void zero(int t) { std::memset(all[t], 0, sizeof(tile)); }
inline void load(int t, const void* from, long stride) {
  tile& to = all[t];
  for (int r = 0; r < 16; ++r) std::memcpy(to[r], static_cast<const char*>(from) + r * stride, 64);
}
inline void store(int t, void* to, long stride) {
  const tile& from = all[t];
  for (int r = 0; r < 16; ++r) std::memcpy(static_cast<char*>(to) + r * stride, from[r], 64);
}
inline float as_float(std::uint32_t word) {
  float result;
  std::memcpy(&result, &word, sizeof result);
  return result;
}
// The even inputs' products are summed, and the odd ones', and both are added to what was.
inline void add_products(int sums, int x, int w) {
  const tile &a = all[x], &b = all[w];
  for (int r = 0; r < 16; ++r)
    for (int c = 0; c < 16; ++c) {
      float even = 0, odd = 0;
      for (int k = 0; k < 16; ++k) {
        even = std::fma(as_float(a[r][k] << 16), as_float(b[k][c] << 16), even);
        odd = std::fma(as_float(a[r][k] & 0xffff0000u), as_float(b[k][c] & 0xffff0000u), odd);
      }
      const float sum = as_float(all[sums][r][c]) + (even + odd);
      std::memcpy(&all[sums][r][c], &sum, sizeof sum);
    }
}

}  // namespace emulated_amx

#undef _tile_loadconfig
#undef _tile_storeconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(from) emulated_amx::configure(from)
#define _tile_storeconfig(to) emulated_amx::tell_configuration(to)
#define _tile_release() (void)(emulated_amx::all.configured = false)
#define _tile_zero(t) emulated_amx::zero(t)
#define _tile_loadd(t, from, stride) emulated_amx::load(t, from, stride)
#define _tile_stored(t, to, stride) emulated_amx::store(t, to, stride)
#define _tile_dpbf16ps(sums, x, w) emulated_amx::add_products(sums, x, w)
// Permission is asked for with this call: another that succeeds.
#undef SYS_arch_prctl
#define SYS_arch_prctl SYS_sched_yield
