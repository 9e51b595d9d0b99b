/// The tensors of one model by its family's names, whatever file they are in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/model_config.hpp"
#include "memory_map.hpp"
#include "printable.hpp"
#include "tensor.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The largest extent that a model may claim. No model comes near it, and products of two extents fit into 64 bits.
inline constexpr std::size_t largest_extent = std::size_t{1} << 24;

/// Calls visit(name, shape) for each tensor of a model, in the order of its parts. The shape is the one in the files: a
/// linear's weight is (out, in), or (in, out) if those of the blocks are transposed.
template <class F>
void for_each_tensor(const nn::config& c, F visit) {
  using shape = std::vector<std::size_t>;
  const nn::tensor_names& n = c.names;
  const std::size_t queries = saturating_product(c.heads, c.head_dim),
                    keys = saturating_product(c.kv_heads, c.head_dim);
  const auto linear = [&](const std::string& name, std::size_t out, std::size_t in, bool with_bias) {
    visit(name + ".weight", c.transposed && name.starts_with(n.block) ? shape{in, out} : shape{out, in});
    if (with_bias) visit(name + ".bias", shape{out});
  };
  const auto norm = [&](const std::string& prefix, const std::string& name, std::size_t size) {
    if (name.empty()) return;
    visit(prefix + name + ".weight", shape{size});
    if (c.norm == nn::norm_kind::layer) visit(prefix + name + ".bias", shape{size});
  };
  const auto head_norm_size = [&](std::size_t all) {
    return c.query_key_norm == nn::head_norm::each ? c.head_dim : all;
  };
  visit(n.embedding + ".weight", shape{c.vocabulary, c.row_dim()});
  if (!n.positions.empty()) visit(n.positions + ".weight", shape{saturating_sum(c.context, c.first_position), c.dim});
  if (!n.token_types.empty()) visit(n.token_types + ".weight", shape{c.token_types, c.dim});
  if (!n.project_in.empty()) linear(n.project_in, c.dim, c.row_dim(), false);
  norm("", n.embedding_norm, c.dim);
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    const std::string block = c.block_name(layer);
    norm(block, n.attention_norm, c.dim);
    if (n.query_key_value.empty()) {
      linear(block + n.query, queries, c.dim, c.bias.query_key_value);
      linear(block + n.key, keys, c.dim, c.bias.query_key_value);
      linear(block + n.value, keys, c.dim, c.bias.query_key_value);
    } else {
      linear(block + n.query_key_value, saturating_sum(queries, saturating_product(keys, 2)), c.dim,
             c.bias.query_key_value);
    }
    if (c.query_key_norm == nn::head_norm::own) {
      for (std::size_t h = 0; h < c.heads; ++h) visit(nn::head_norm_name(block + n.query_norm, h), shape{c.head_dim});
      for (std::size_t h = 0; h < c.kv_heads; ++h) visit(nn::head_norm_name(block + n.key_norm, h), shape{c.head_dim});
    } else if (c.query_key_norm != nn::head_norm::none) {
      norm(block, n.query_norm, head_norm_size(queries));
      norm(block, n.key_norm, head_norm_size(keys));
    }
    linear(block + n.output, c.dim, queries, c.bias.attention_output);
    norm(block, n.attention_added_norm, c.dim);
    norm(block, n.attention_stream_norm, c.dim);
    norm(block, n.mlp_norm, c.dim);
    if (!n.gate_up.empty()) {
      linear(block + n.gate_up, saturating_product(c.hidden, 2), c.dim, c.bias.mlp);
    } else {
      if (!n.gate.empty()) linear(block + n.gate, c.hidden, c.dim, c.bias.mlp);
      linear(block + n.up, c.hidden, c.dim, c.bias.mlp);
    }
    linear(block + n.down, c.dim, c.hidden, c.bias.mlp);
    norm(block, n.mlp_added_norm, c.dim);
    norm(block, n.mlp_stream_norm, c.dim);
  }
  norm("", n.final_norm, c.dim);
  if (!n.project_out.empty()) linear(n.project_out, c.row_dim(), c.dim, false);
  if (!n.pooler.empty()) linear(n.pooler, c.dim, c.dim, true);
  if (!c.has_head) return;
  if (!n.head_dense.empty()) linear(n.head_dense, c.dim, c.dim, true);
  norm("", n.head_norm, c.dim);
  if (!c.tied_head) visit(n.head + ".weight", shape{c.vocabulary, c.row_dim()});
  if (c.bias.head) visit(n.head_bias.empty() ? n.head + ".bias" : n.head_bias, shape{c.vocabulary});
}

/// A model's shape, and views of its tensors in the files, which it keeps mapped. It has exactly the tensors that
/// for_each_tensor names, in their shapes. open_checkpoint makes one. Views live as long as the checkpoint, even if it
/// is moved.
class checkpoint {
 public:
  using tensor_map = std::map<std::string, tensor_view, std::less<>>;

  checkpoint(std::string path_of_model, const nn::config& shape, std::vector<memory_map> files, tensor_map tensors)
      : path(std::move(path_of_model)), shape_(shape), files_(std::move(files)), tensors_(std::move(tensors)) {
    for_each_tensor(shape_, [&](const std::string& name, std::vector<std::size_t> wanted) { at(name, wanted); });
  }
  checkpoint(checkpoint&&) = default;
  checkpoint& operator=(checkpoint&&) = default;

  std::string path;  ///< the file or folder, as it was given

  const nn::config& shape() const { return shape_; }

  /// The tensor of that name, such as model.layers.0.self_attn.q_proj.weight, or nothing if the model has none.
  std::optional<tensor_view> find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

  /// The tensor of that name. Throws if there is none, or if it has another shape.
  tensor_view at(std::string_view name, const std::vector<std::size_t>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
      fail(path + ": " + printable(name) + " is missing, and must be of shape " + text_of(shape));
    if (found->second.shape != shape)
      fail(path + ": " + printable(name) + " has shape " + text_of(found->second.shape) + ", and must have " +
           text_of(shape));
    return found->second;
  }

  /// The tensor's elements as floats; out.size() == elements(shape). Throws as at() does, and if one is not finite.
  void read(std::string_view name, const std::vector<std::size_t>& shape, std::span<float> out) const {
    read_rows(name, shape, 0, out);
  }
  /// Only rows from first_row on, as many as `out` has room for.
  void read_rows(std::string_view name, const std::vector<std::size_t>& shape, std::size_t first_row,
                 std::span<float> out) const {
    const tensor_view tensor = at(name, shape);
    const std::size_t columns = std::max<std::size_t>(1, tensor.columns());
    widen(tensor, first_row, out.size() / columns, out);
    if (const auto i = first_not_finite(out))
      fail(path + ": " + printable(name) + " is " + text(out[*i]) + " at element " + text(first_row * columns + *i) +
           ", and must be finite");
  }

 private:
  nn::config shape_;
  std::vector<memory_map> files_;
  tensor_map tensors_;
};

}  // namespace zoft::inline ZOFT_ISA::io
