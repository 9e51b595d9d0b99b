/// The number types that weights are stored in.
#pragma once

#include <cstddef>
#include <string_view>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The types in which weights are stored.
enum class dtype {
  f32,   ///< IEEE binary32
  f16,   ///< IEEE binary16
  bf16,  ///< the upper half of a binary32
  i8,    ///< symmetric integers −127 … 127, one scale per row
  i4,    ///< symmetric integers −7 … 7, one scale per 32 elements of a row
  nf4,   ///< the 16 quantiles of a normal distribution, one scale per 32 elements of a row: Dettmers et al. 2023,
         ///< arXiv:2305.14314 (QLoRA)
};

/// Bits per element, without scales.
constexpr std::size_t bits_of(dtype type) {
  return type == dtype::f32 ? 32 : type == dtype::i8 ? 8 : type == dtype::i4 || type == dtype::nf4 ? 4 : 16;
}

/// Bytes per element, for the types that files hold.
constexpr std::size_t size_of(dtype type) { return bits_of(type) / 8; }

/// The type's name in safetensors files: F32, F16 and BF16, and zoft's own I8, I4 and NF4.
constexpr std::string_view name_of(dtype type) {
  constexpr std::string_view names[] = {"F32", "F16", "BF16", "I8", "I4", "NF4"};
  return names[static_cast<std::size_t>(type)];
}

}  // namespace zoft::inline ZOFT_ISA::nn
