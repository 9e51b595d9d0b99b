/// The number types that weights are stored in.
#pragma once

#include <cstddef>
#include <string_view>

#include "../config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

enum class dtype { f32, f16, bf16 };

/// Bytes an element.
constexpr std::size_t size_of(dtype type) { return type == dtype::f32 ? 4 : 2; }

/// The name that safetensors gives it: F32, F16, BF16.
constexpr std::string_view name_of(dtype type) {
  return type == dtype::f32 ? "F32" : type == dtype::f16 ? "F16" : "BF16";
}

}  // namespace zoft::inline ZOFT_ISA::nn
