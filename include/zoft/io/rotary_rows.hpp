/// The two orders in which files hold the rows of q and k, whose rotary position embedding turns pairs of rows. Of a
/// head with d rows, pair j is
///
///     interleaved   rows 2j and 2j + 1       llama2.c; GGUF files whose architecture is llama
///     halves        rows j and j + d/2       Hugging Face; other GGUF files
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../core/config.hpp"
#include "file/tensor.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// Where row `row` of a head of d rows lies in the interleaved order, if it is counted in halves. Needs an even d.
constexpr std::size_t interleaved_row(std::size_t row, std::size_t d) {
  return row < d / 2 ? 2 * row : 2 * (row - d / 2) + 1;
}

/// Where it lies in halves, if it is counted in the interleaved order: the inverse.
constexpr std::size_t halves_row(std::size_t row, std::size_t d) { return row / 2 + row % 2 * (d / 2); }

namespace detail {

template <class T, class F>
void permute_heads(std::span<const T> from, std::size_t heads, std::size_t columns, std::span<T> to, F place) {
  if (from.size() != to.size() || heads == 0 || columns == 0 || from.size() % saturating_product(heads, columns) != 0 ||
      from.size() / heads / columns % 2 != 0)
    fail("rotary rows: " + text(from.size()) + " and " + text(to.size()) + " elements, " + text(heads) + " heads and " +
         text(columns) + " columns, and must be two equal matrices of heads with an even number of rows");
  const std::size_t d = from.size() / heads / columns;
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t row = 0; row < d; ++row)
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>((head * d + row) * columns), columns,
                  to.begin() + static_cast<std::ptrdiff_t>((head * d + place(row, d)) * columns));
}

}  // namespace detail

/// Copies a matrix (heads·d, columns) and puts its rows from halves into the interleaved order. A bias has one column.
/// The spans may not overlap.
template <class T>
void interleave_rows(std::span<const T> halves, std::size_t heads, std::size_t columns, std::span<T> interleaved) {
  detail::permute_heads(halves, heads, columns, interleaved, interleaved_row);
}

/// The inverse: puts the rows from the interleaved order into halves.
template <class T>
void split_rows(std::span<const T> interleaved, std::size_t heads, std::size_t columns, std::span<T> halves) {
  detail::permute_heads(interleaved, heads, columns, halves, halves_row);
}

}  // namespace zoft::inline ZOFT_ISA::io
