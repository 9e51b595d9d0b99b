/// The number types that weights are stored in.
#pragma once

#include <cstddef>
#include <string_view>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

enum class dtype {
  f32,
  f16,
  bf16,
  i8,   ///< symmetric integers of −127 … 127, a scale a row
  i4,   ///< symmetric integers of −7 … 7, a scale for each 32 of a row
  nf4,  ///< the 16 quantiles of a normal distribution, a scale for each 32 of a row: Dettmers et al. 2023,
        ///< arXiv:2305.14314 (QLoRA)
};

/// Bits an element, without scales.
constexpr std::size_t bits_of(dtype type) {
  return type == dtype::f32 ? 32 : type == dtype::i8 ? 8 : type == dtype::i4 || type == dtype::nf4 ? 4 : 16;
}

/// Bytes an element of the types that files hold.
constexpr std::size_t size_of(dtype type) { return bits_of(type) / 8; }

/// The name that safetensors gives it: F32, F16, BF16; and I8, I4, NF4, which are zoft's own.
constexpr std::string_view name_of(dtype type) {
  constexpr std::string_view names[] = {"F32", "F16", "BF16", "I8", "I4", "NF4"};
  return names[static_cast<std::size_t>(type)];
}

}  // namespace zoft::inline ZOFT_ISA::nn
