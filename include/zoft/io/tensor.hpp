/// A tensor as it is stored in a file, and its conversion to floats.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/dtype.hpp"
#include "../core/number.hpp"
#include "memory_map.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// A view of a tensor in a mapped file. The bytes are row-major and need not be aligned.
struct tensor_view {
  nn::dtype type = nn::dtype::f32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes;

  std::size_t size() const { return bytes.size() / nn::size_of(type); }  ///< elements
};

/// a · b, or the largest std::size_t if the product overflows. No file has that size.
constexpr std::size_t saturating_product(std::size_t a, std::size_t b) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  if (a == most || b == most) return most;
  return b != 0 && a > most / b ? most : a * b;
}

constexpr std::size_t saturating_sum(std::size_t a, std::size_t b) {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  return a > most - b ? most : a + b;
}

/// The number of elements of a tensor of that shape, saturating. It is 1 for the empty shape of a scalar.
inline std::size_t elements(const std::vector<std::size_t>& shape) {
  std::size_t result = 1;
  for (const std::size_t extent : shape) result = saturating_product(result, extent);
  return result;
}

/// "(2048, 512)"
inline std::string text_of(const std::vector<std::size_t>& shape) {
  std::string result = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i == 8) return result + ", ...)";
    result += (i == 0 ? "" : ", ") + text(shape[i]);
  }
  return result + ")";
}

/// Converts every element to float, exactly. The type must be F32, F16 or BF16, and out.size() == tensor.size().
inline void widen(const tensor_view& tensor, std::span<float> out) {
  if (out.size() != tensor.size())
    fail("widen: the span holds " + text(out.size()) + " floats, and the tensor has " + text(tensor.size()) +
         " elements");
  const auto each = [&]<class T>(T) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(load<T>(tensor.bytes, i * sizeof(T)));
  };
  switch (tensor.type) {
    case nn::dtype::f32:
      if (!out.empty()) std::memcpy(out.data(), tensor.bytes.data(), out.size_bytes());
      break;
    case nn::dtype::f16:
      each(half{});
      break;
    case nn::dtype::bf16:
      each(bfloat16{});
      break;
    default:
      fail("widen: the tensor is " + std::string(nn::name_of(tensor.type)) + ", and must be F32, F16 or BF16");
  }
}

/// The index of the first element that is infinite or NaN, if there is one.
inline std::optional<std::size_t> first_not_finite(std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) return i;
  return std::nullopt;
}

}  // namespace zoft::inline ZOFT_ISA::io
