/// The number types of files that can be widened to float, each with the layout of a block and the formula of its
/// elements. Those of GGUF are ggml's: https://github.com/ggml-org/ggml, ggml-common.h and ggml-quants.c.
///
/// A quantised block has a scale d, and some have an offset m, both halves. Products are taken from left to right, as
/// dequantize_row_* takes them. Each fits into the 24 bits of a float, so at most the last addition rounds. The results
/// are the same bits as llama.cpp's, whether or not the compiler fuses a product and a sum.
///
/// "nibbles of 16 bytes" means that the low nibble of byte j belongs to element j and the high one to element j + 16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../../core/config.hpp"
#include "../../core/number.hpp"

namespace zoft::inline ZOFT_ISA::io::block {

/// The T at that place, which need not be aligned.
template <class T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline float read_half(const std::byte* at) { return static_cast<float>(read<half>(at)); }

inline int low(std::byte b) { return std::to_integer<int>(b) & 15; }
inline int high(std::byte b) { return std::to_integer<int>(b) >> 4; }

/// One number, stored as T. A double is rounded to float once, to nearest; the others are widened exactly.
template <class T>
struct plain {
  static constexpr std::size_t elements = 1, bytes = sizeof(T);
  static void widen(const std::byte* from, float* to) { *to = static_cast<float>(read<T>(from)); }
};

/// half d · int8 q[32].     x = q·d
struct q8_0 {
  static constexpr std::size_t elements = 32, bytes = 34;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from);
    for (std::size_t j = 0; j < 32; ++j) to[j] = static_cast<float>(read<std::int8_t>(from + 2 + j)) * d;
  }
};

/// half d · nibbles of 16 bytes.     x = (q − 8)·d
struct q4_0 {
  static constexpr std::size_t elements = 32, bytes = 18;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from);
    for (std::size_t j = 0; j < 16; ++j) {
      to[j] = static_cast<float>(low(from[2 + j]) - 8) * d;
      to[j + 16] = static_cast<float>(high(from[2 + j]) - 8) * d;
    }
  }
};

/// half d · half m · nibbles of 16 bytes.     x = q·d + m
struct q4_1 {
  static constexpr std::size_t elements = 32, bytes = 20;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from), m = read_half(from + 2);
    for (std::size_t j = 0; j < 16; ++j) {
      to[j] = static_cast<float>(low(from[4 + j])) * d + m;
      to[j + 16] = static_cast<float>(high(from[4 + j])) * d + m;
    }
  }
};

/// half d · 32 fifth bits · nibbles of 16 bytes. Bit j of the 32 belongs to element j.     x = (q − 16)·d
struct q5_0 {
  static constexpr std::size_t elements = 32, bytes = 22;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from);
    const auto fifth = read<std::uint32_t>(from + 2);
    for (std::size_t j = 0; j < 16; ++j) {
      to[j] = static_cast<float>((low(from[6 + j]) | static_cast<int>((fifth >> j & 1u) << 4)) - 16) * d;
      to[j + 16] = static_cast<float>((high(from[6 + j]) | static_cast<int>((fifth >> (j + 16) & 1u) << 4)) - 16) * d;
    }
  }
};

/// half d · half m · 32 fifth bits · nibbles of 16 bytes.     x = q·d + m
struct q5_1 {
  static constexpr std::size_t elements = 32, bytes = 24;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from), m = read_half(from + 2);
    const auto fifth = read<std::uint32_t>(from + 4);
    for (std::size_t j = 0; j < 16; ++j) {
      to[j] = static_cast<float>(low(from[8 + j]) | static_cast<int>((fifth >> j & 1u) << 4)) * d + m;
      to[j + 16] = static_cast<float>(high(from[8 + j]) | static_cast<int>((fifth >> (j + 16) & 1u) << 4)) * d + m;
    }
  }
};

/// The 6-bit scale and offset of part j of a block of Q4_K or Q5_K, which packs eight of each into 12 bytes: those of
/// parts 0 to 3 lie in the low 6 bits of bytes j and j + 4. Those of parts 4 to 7 have their low 4 bits in the nibbles
/// of byte j + 4, and their upper 2 in the top bits of bytes j − 4 and j.
struct scale_and_offset {
  float scale, offset;

  scale_and_offset(const std::byte* packed, std::size_t j) {
    const auto at = [&](std::size_t i) { return std::to_integer<unsigned>(packed[i]); };
    const unsigned s = j < 4 ? at(j) & 63u : (at(j + 4) & 15u) | (at(j - 4) >> 6) << 4;
    const unsigned o = j < 4 ? at(j + 4) & 63u : at(j + 4) >> 4 | (at(j) >> 6) << 4;
    scale = static_cast<float>(s);
    offset = static_cast<float>(o);
  }
};

/// half d · half m · 12 bytes of scales s and offsets o · 128 bytes of nibbles.     x = d·s·q − m·o
/// A part is 32 elements. Each 32 bytes of nibbles hold a part in the low ones and the next part in the high ones.
struct q4_k {
  static constexpr std::size_t elements = 256, bytes = 144;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from), m = read_half(from + 2);
    for (std::size_t part = 0; part < 8; part += 2) {
      const std::byte* const q = from + 16 + 16 * part;
      const scale_and_offset first(from + 4, part), second(from + 4, part + 1);
      const float d1 = d * first.scale, m1 = m * first.offset, d2 = d * second.scale, m2 = m * second.offset;
      for (std::size_t j = 0; j < 32; ++j) to[32 * part + j] = d1 * static_cast<float>(low(q[j])) - m1;
      for (std::size_t j = 0; j < 32; ++j) to[32 * part + 32 + j] = d2 * static_cast<float>(high(q[j])) - m2;
    }
  }
};

/// half d · half m · 12 bytes of scales s and offsets o · 32 bytes of fifth bits · 128 bytes of nibbles, as in Q4_K.
/// Bit p of byte j of the 32 belongs to element j of part p.     x = d·s·q − m·o
struct q5_k {
  static constexpr std::size_t elements = 256, bytes = 176;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from), m = read_half(from + 2);
    const std::byte* const fifth = from + 16;
    const auto bit = [&](std::size_t j, std::size_t part) { return (std::to_integer<int>(fifth[j]) >> part & 1) << 4; };
    for (std::size_t part = 0; part < 8; part += 2) {
      const std::byte* const q = from + 48 + 16 * part;
      const scale_and_offset first(from + 4, part), second(from + 4, part + 1);
      const float d1 = d * first.scale, m1 = m * first.offset, d2 = d * second.scale, m2 = m * second.offset;
      for (std::size_t j = 0; j < 32; ++j) to[32 * part + j] = d1 * static_cast<float>(low(q[j]) + bit(j, part)) - m1;
      for (std::size_t j = 0; j < 32; ++j)
        to[32 * part + 32 + j] = d2 * static_cast<float>(high(q[j]) + bit(j, part + 1)) - m2;
    }
  }
};

/// 128 bytes of nibbles · 64 bytes of upper 2 bits · int8 s[16] · half d.     x = d·s·(q − 32)
/// Each half of a block has 128 elements in four parts of 32, 64 bytes of nibbles and 32 of upper bits. The low nibbles
/// are those of parts 0 and 1, the high ones those of parts 2 and 3; bits 2p and 2p + 1 of byte j of the 32 belong to
/// element j of part p. Every 16 elements have a scale.
struct q6_k {
  static constexpr std::size_t elements = 256, bytes = 210;
  static void widen(const std::byte* from, float* to) {
    const float d = read_half(from + 208);
    for (std::size_t part = 0; part < 8; ++part) {
      const std::size_t p = part % 4;
      const std::byte* const nibbles = from + 64 * (part / 4) + 32 * (p % 2);
      const std::byte* const upper = from + 128 + 32 * (part / 4);
      for (std::size_t j = 0; j < 32; ++j) {
        const float scale = static_cast<float>(read<std::int8_t>(from + 192 + 2 * part + j / 16));
        const int q = (p < 2 ? low(nibbles[j]) : high(nibbles[j])) | (std::to_integer<int>(upper[j]) >> 2 * p & 3) << 4;
        to[32 * part + j] = d * scale * static_cast<float>(q - 32);
      }
    }
  }
};

}  // namespace zoft::inline ZOFT_ISA::io::block
