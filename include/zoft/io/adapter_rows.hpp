/// The order of an adapter's rows. The rows of B of q and k are those of W, which files hold in one of two orders: see
/// rotary_rows.hpp. peft's files have halves. GGUF files have pairs if their architecture's weights do.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/model_config.hpp"
#include "file/low_rank_tensor.hpp"
#include "file/printable.hpp"
#include "file/tensor.hpp"
#include "rotary_rows.hpp"

namespace zoft::inline ZOFT_ISA::io {

namespace detail {

/// The heads whose rows are rotated in the linear of that name, or 0 if it is neither q nor k.
inline std::size_t rotated_heads(const nn::config& c, std::string_view name) {
  const std::string_view block = c.names.block;
  if (!c.rotates() || !name.starts_with(block)) return 0;
  const std::string_view rest = name.substr(block.size());
  const std::size_t dot = rest.find('.');
  if (dot == rest.npos) return 0;
  const std::string_view part = rest.substr(dot + 1);
  if (!c.names.query_key_value.empty()) {
    if (part == c.names.query_key_value)
      fail(printable(name) + " holds q, k and v at once, and the order of its rotary rows cannot be changed");
    return 0;
  }
  return part == c.names.query ? c.heads : part == c.names.key ? c.kv_heads : 0;
}

}  // namespace detail

/// Copies the adapter of a model of the shape c, and puts its rows from one order into the other. Throws, naming the
/// linear, if one of q or k does not have the model's rows.
inline std::vector<owned_low_rank_tensor> in_row_order(std::span<const low_rank_tensor> tensors, const nn::config& c,
                                                       nn::rope from, nn::rope to) {
  std::vector<owned_low_rank_tensor> result;
  result.reserve(tensors.size());
  for (const low_rank_tensor& t : tensors) {
    result.push_back({t.name,
                      t.out,
                      t.in,
                      t.rank,
                      {t.a.begin(), t.a.end()},
                      {t.b.begin(), t.b.end()},
                      t.alpha,
                      t.rank == 0 ? 0 : t.alpha / static_cast<double>(t.rank),
                      t.embedding});
    const std::size_t heads = from == to ? 0 : detail::rotated_heads(c, t.name);
    if (heads == 0) continue;
    const std::size_t rows = saturating_product(heads, c.head_dim);
    if (t.out != rows || t.rank == 0 || t.b.size() != saturating_product(rows, t.rank))
      fail(printable(t.name) + ".lora_B has shape " + text_of({t.out, t.rank}) + " and " + text(t.b.size()) +
           " values, and must have the model's " + text(rows) + " rows");
    if (to == nn::rope::interleaved)
      interleave_rows<float>(t.b, heads, t.rank, result.back().b);
    else
      split_rows<float>(t.b, heads, t.rank, result.back().b);
  }
  return result;
}

/// An adapter of a model of the shape c, as files with rows in the order `wanted` hold it.
inline std::vector<owned_low_rank_tensor> in_row_order(std::span<const low_rank_tensor> tensors, const nn::config& c,
                                                       nn::rope wanted) {
  return in_row_order(tensors, c, c.pairing, wanted);
}

/// The inverse: an adapter from files with rows in the order `given`, as a model of the shape c needs it.
inline std::vector<owned_low_rank_tensor> in_order_of(const nn::config& c, std::span<const low_rank_tensor> tensors,
                                                      nn::rope given) {
  return in_row_order(tensors, c, given, c.pairing);
}

}  // namespace zoft::inline ZOFT_ISA::io
