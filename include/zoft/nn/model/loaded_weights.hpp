/// A model's weights, as they are read from a checkpoint.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "../../core/layout.hpp"
#include "../../core/model_config.hpp"
#include "../../io/checkpoint.hpp"
#include "weights.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct loaded_weights {
  weights values;
  zoft::layout linears;  ///< what adapters attach to, (out, in), by the names of the model's family
  zoft::layout norms;    ///< a gain (dim) each
};

namespace detail {

/// Makes the parts of a model of the shape c, without their numbers.
class weights_of {
 public:
  weights_of(const config& c, dtype type) : c_(c), type_(type) {
    const tensor_names& n = c.names;
    const dtype words = bits_of(type) < 8 ? dtype::i8 : type;
    weights& w = result.values;
    w.embedding_name = n.embedding;
    w.head_name = n.head;
    w.embedding = packed_matrix(c.vocabulary, c.row_dim(), words);
    if (!n.project_in.empty()) w.project_in = joined(c.row_dim(), false, {{n.project_in, 0, c.dim}});
    if (!n.project_out.empty()) w.project_out = joined(c.dim, false, {{n.project_out, 0, c.row_dim()}});
    if (!n.positions.empty()) {
      w.positions_name = n.positions;
      w.positions = packed_matrix(c.context + c.first_position, c.dim, words);
    }
    if (!n.token_types.empty()) {
      w.token_types_name = n.token_types;
      w.token_types = packed_matrix(c.token_types, c.dim, words);
    }
    w.embedding_norm = trained_norm(n.embedding_norm);
    for (std::size_t layer = 0; layer < c.layers; ++layer) w.blocks.push_back(block_of(c.block_name(layer)));
    w.final_norm = trained_norm(n.final_norm);
    if (!n.pooler.empty()) w.pooler = joined(c.dim, true, {{n.pooler, 0, c.dim}});
    if (!c.has_head) return;
    if (!n.head_dense.empty()) w.head_dense = joined(c.dim, true, {{n.head_dense, 0, c.dim}});
    w.head_norm = norm_of(n.head_norm, c.dim);
    if (!c.tied_head) w.head = packed_matrix(c.vocabulary, c.row_dim(), words);
    if (c.bias.head) {
      w.head_bias.resize(c.vocabulary);
      w.head_bias_name = n.head_bias.empty() ? n.head + ".bias" : n.head_bias;
    }
  }

  loaded_weights result;

 private:
  block block_of(const std::string& prefix) {
    const tensor_names& n = c_.names;
    const std::size_t queries = c_.heads * c_.head_dim, keys = c_.kv_heads * c_.head_dim;
    const auto inner = [&](const std::string& name) { return name.empty() ? name : prefix + name; };
    block b;
    b.attention = prefix + n.attention;
    b.attention_norm = trained_norm(inner(n.attention_norm));
    if (n.query_key_value.empty())
      b.qkv = adapted(c_.dim, c_.bias.query_key_value,
                      {{inner(n.query), 0, queries}, {inner(n.key), 0, keys}, {inner(n.value), 0, keys}});
    else
      b.qkv = adapted(c_.dim, c_.bias.query_key_value, {{inner(n.query_key_value), 0, queries + 2 * keys}});
    if (c_.query_key_norm != head_norm::none) {
      const bool each = c_.query_key_norm == head_norm::each;
      b.query_norm = norm_of(inner(n.query_norm), each ? c_.head_dim : queries);
      b.key_norm = norm_of(inner(n.key_norm), each ? c_.head_dim : keys);
      if (c_.query_key_norm == head_norm::own) {
        b.query_norm.own_heads = c_.heads;
        b.key_norm.own_heads = c_.kv_heads;
      }
    }
    b.output = adapted(queries, c_.bias.attention_output, {{inner(n.output), 0, c_.dim}});
    b.attention_added_norm = trained_norm(inner(n.attention_added_norm));
    b.attention_stream_norm = trained_norm(inner(n.attention_stream_norm));
    b.mlp_norm = trained_norm(inner(n.mlp_norm));
    if (!n.gate_up.empty())
      b.gate_up = adapted(c_.dim, c_.bias.mlp, {{inner(n.gate_up), 0, 2 * c_.hidden}});
    else if (!n.gate.empty())
      b.gate_up = adapted(c_.dim, c_.bias.mlp, {{inner(n.gate), 0, c_.hidden}, {inner(n.up), 0, c_.hidden}});
    else
      b.gate_up = adapted(c_.dim, c_.bias.mlp, {{inner(n.up), 0, c_.hidden}});
    b.down = adapted(c_.hidden, c_.bias.mlp, {{inner(n.down), 0, c_.dim}});
    b.mlp_added_norm = trained_norm(inner(n.mlp_added_norm));
    b.mlp_stream_norm = trained_norm(inner(n.mlp_stream_norm));
    return b;
  }

  norm norm_of(const std::string& name, std::size_t size) const {
    if (name.empty()) return {};
    norm n{name, std::vector<float>(size), {}};
    if (c_.norm == norm_kind::layer) n.bias.resize(size);
    return n;
  }
  norm trained_norm(const std::string& name) {
    if (!name.empty()) result.norms.add(name, c_.dim);
    return norm_of(name, c_.dim);
  }

  linear joined(std::size_t in, bool biased, std::vector<linear::part> parts) const {
    linear l;
    std::size_t out = 0;
    for (linear::part& p : parts) {
      p.first = out;
      out += p.out;
    }
    l.parts = std::move(parts);
    l.weight = packed_matrix(out, in, type_);
    if (biased) l.bias.resize(out);
    return l;
  }
  linear adapted(std::size_t in, bool biased, std::vector<linear::part> parts) {
    for (const linear::part& p : parts) result.linears.add(p.name, p.out, in);
    return joined(in, biased, std::move(parts));
  }

  const config& c_;
  dtype type_;
};

/// to (rows, columns) = fromᵀ
inline void transpose(std::span<const float> from, std::size_t rows, std::size_t columns, std::span<float> to) {
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) to[r * columns + c] = from[c * rows + r];
}

}  // namespace detail

/// Reads a model of the shape c. Matrices are kept as `type`; with fewer than 8 bits, embeddings and the head as i8.
inline loaded_weights load_weights(const io::checkpoint& from, const config& c, dtype type) {
  loaded_weights result = detail::weights_of(c, type).result;
  std::vector<float> values, turned;
  result.values.for_each([&](const std::string& name, auto& at, std::size_t first, std::size_t rows) {
    const std::size_t columns = weights::columns(at);
    if (columns == 1) {
      values.resize(rows);
      from.read(name, {rows}, values);
      weights::write(at, first, values);
    } else if (c.transposed && name.starts_with(c.names.block)) {
      values.resize(rows * columns);
      turned.resize(rows * columns);
      from.read(name, {columns, rows}, turned);
      detail::transpose(turned, rows, columns, values);
      weights::write(at, first, values);
    } else {
      // A few rows at a time, because a widened embedding may be larger than the model.
      const std::size_t some = std::max<std::size_t>(1, (std::size_t{1} << 20) / columns);
      for (std::size_t row = 0, n; row < rows; row += n) {
        n = std::min(some, rows - row);
        values.resize(n * columns);
        from.read_rows(name, {rows, columns}, row, values);
        weights::write(at, first + row, values);
      }
    }
  });
  if (c.norm_offset)
    result.values.for_each_norm([](norm& n) {
      for (float& gain : n.gain) gain += 1;
    });
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
