/// A tensor as it is stored in a file, and its conversion to floats.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../../core/config.hpp"
#include "storage.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// A view of a tensor in a mapped file. The bytes are row-major and need not be aligned. They are as many as the shape
/// takes; whoever makes a view has checked that.
struct tensor_view {
  storage type = storage::f32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> bytes;

  std::size_t size() const { return bytes.size() / facts_of(type).bytes * facts_of(type).elements; }  ///< elements
  std::size_t columns() const { return shape.empty() ? 1 : shape.back(); }                            ///< of a row
  std::size_t rows() const { return columns() == 0 ? 0 : size() / columns(); }
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

/// Converts rows first_row … first_row + rows − 1 to float, so that a large matrix can be read in parts. A row is what
/// the last extent counts, and out.size() == rows · tensor.columns(). A double is rounded, all other types are exact.
/// Throws if the type is one that is not widened, such as I64, or if the tensor does not have these rows.
inline void widen(const tensor_view& tensor, std::size_t first_row, std::size_t rows, std::span<float> out) {
  require_widened(tensor.type, "widen: the tensor");
  const storage_facts& facts = facts_of(tensor.type);
  const std::size_t columns = tensor.columns();
  if (out.size() != saturating_product(rows, columns))
    fail("widen: the span holds " + text(out.size()) + " floats, and the tensor has " + text(rows) + " x " +
         text(columns) + " elements in these rows");
  if (rows > tensor.rows() || first_row > tensor.rows() - rows)
    fail("widen: rows " + text(first_row) + " to " + text(saturating_sum(first_row, rows)) +
         " are wanted, and the tensor has " + text(tensor.rows()));
  if (columns % facts.elements != 0)
    fail("widen: a row has " + text(columns) + " elements, and must have a multiple of the " + text(facts.elements) +
         " in a block of " + std::string(facts.name));
  const std::byte* const from = tensor.bytes.data() + first_row * (columns / facts.elements) * facts.bytes;
  with_block(tensor.type, [&]<class Block>(Block) {
    for (std::size_t i = 0; i < out.size() / Block::elements; ++i)
      Block::widen(from + i * Block::bytes, out.data() + i * Block::elements);
  });
}

/// Converts every element; out.size() == tensor.size().
inline void widen(const tensor_view& tensor, std::span<float> out) {
  if (out.size() != tensor.size())
    fail("widen: the span holds " + text(out.size()) + " floats, and the tensor has " + text(tensor.size()) +
         " elements");
  widen(tensor, 0, tensor.rows(), out);
}

/// The index of the first element that is infinite or NaN, if there is one.
inline std::optional<std::size_t> first_not_finite(std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) return i;
  return std::nullopt;
}

}  // namespace zoft::inline ZOFT_ISA::io
