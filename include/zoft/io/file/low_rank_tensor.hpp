/// A low-rank addition to one linear, as the files of adapters hold it.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/low_rank.hpp"
#include "printable.hpp"
#include "tensor.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// W (out, in) becomes W + (alpha / rank) · B · A.
struct low_rank_tensor {
  std::string name;  ///< the linear, without .weight: model.layers.0.self_attn.q_proj
  std::size_t out = 0, in = 0, rank = 0;
  std::span<const float> a{};  ///< (rank, in), row-major
  std::span<const float> b{};  ///< (out, rank), row-major
  double alpha = 0;            ///< 0: that of the whole adapter
  bool embedding = false;      ///< whether W is a table that tokens are looked up in: (tokens, width)
};

/// A low_rank_tensor that owns its numbers.
struct owned_low_rank_tensor {
  std::string name;
  std::size_t out = 0, in = 0, rank = 0;
  std::vector<float> a, b;
  double alpha = 0;        ///< scale · rank
  double scale = 0;        ///< what B·A is multiplied by
  bool embedding = false;  ///< whether W is a table that tokens are looked up in

  operator low_rank_tensor() const { return {name, out, in, rank, a, b, alpha, embedding}; }
};

/// What the tensors of an adapter add to a model, as one group. They must outlive the stack.
inline low_rank_stack stack_of(std::span<const owned_low_rank_tensor> tensors) {
  low_rank_stack result(1);
  for (const owned_low_rank_tensor& t : tensors)
    result.add(t.name, {.a = t.a.data(),
                        .b = t.b.data(),
                        .rank = t.rank,
                        .in = t.in,
                        .out = t.out,
                        .scale = static_cast<float>(t.scale)});
  return result;
}

/// The transpose of a matrix (rows, columns).
inline std::vector<float> transposed(std::span<const float> values, std::size_t rows, std::size_t columns) {
  std::vector<float> result(values.size());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) result[j * rows + i] = values[i * columns + j];
  return result;
}

/// Throws, naming the file or folder `where` and the linear, if there is no linear, an alpha is not finite and above 0,
/// a name is empty, a rank is 0, the length of a span does not match its shape, or a number is not finite.
inline void check_low_rank(const std::string& where, std::span<const low_rank_tensor> tensors, double alpha) {
  require(!tensors.empty(), where + ": an adapter must have one linear at least, and has 0");
  if (!(alpha > 0) || !std::isfinite(alpha))
    fail(where + ": alpha is " + text(alpha) + ", and must be finite and above 0");
  for (const auto& t : tensors) {
    if (t.name.empty()) fail(where + ": a linear has an empty name");
    const std::string linear = where + ": " + printable(t.name);
    if (t.rank == 0) fail(linear + ": rank is 0, and must be at least 1");
    if (!(t.alpha >= 0) || !std::isfinite(t.alpha))
      fail(linear + ": alpha is " + text(t.alpha) + ", and must be finite and above 0, or 0 for the adapter's");
    const auto check = [&](const char* which, std::size_t rows, std::size_t columns, std::span<const float> values) {
      if (values.size() != saturating_product(rows, columns))
        fail(linear + which + " has " + text(values.size()) + " values, and must be of shape " +
             text_of({rows, columns}));
      if (const auto i = first_not_finite(values))
        fail(linear + which + " is " + text(values[*i]) + " at element " + text(*i) + ", and must be finite");
    };
    check(".lora_A", t.rank, t.in, t.a);
    check(".lora_B", t.out, t.rank, t.b);
  }
}

}  // namespace zoft::inline ZOFT_ISA::io
