/// Writes the loss of a model as a graph of the Open Neural Network Exchange format, with the adapter's trained numbers
/// as an input: an engine that runs such graphs can then evaluate candidates, many in one forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/layout.hpp"
#include "../core/low_rank.hpp"
#include "../core/model_config.hpp"
#include "file/output_file.hpp"
#include "file/weights.hpp"
#include "onnx/graph.hpp"
#include "onnx/llama.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct onnx_options {
  bool best = false;  ///< gives the most probable token in place of each label, too
};

namespace detail {

inline std::string loss_bytes(onnx_graph& g, const checkpoint& model, const low_rank_stack& adapter,
                              std::span<const float> theta, const onnx_options& o) {
  const auto tokens = g.input("tokens", onnx_type::int64, {"B", "T"});
  const auto labels = g.input("labels", onnx_type::int64, {"B", "T"});
  const auto stack = g.input("theta", onnx_type::float32, {"P", text(theta.size())});
  const auto [loss, best] = onnx_llama(g, model, adapter, theta).losses(tokens, labels, stack, o.best);
  g.output("loss", loss, onnx_type::float32, {"P"});
  if (o.best) g.output("best", best, onnx_type::int64, {"P", "M"});
  return g.bytes("loss", 18);
}

}  // namespace detail

/// What adapters attach to in the models that onnx_loss takes, as nn::transformer::layout() has it.
inline layout linears_of(const checkpoint& model) {
  const nn::config& c = model.shape();
  const nn::tensor_names& n = c.names;
  layout result;
  for (std::size_t i = 0; i < c.layers; ++i) {
    const std::string block = c.block_name(i);
    const std::size_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
    result.add(block + n.query, queries, c.dim);
    result.add(block + n.key, keys, c.dim);
    result.add(block + n.value, keys, c.dim);
    result.add(block + n.output, c.dim, queries);
    result.add(block + n.gate, c.hidden, c.dim);
    result.add(block + n.up, c.hidden, c.dim);
    result.add(block + n.down, c.dim, c.hidden);
  }
  return result;
}

/// The bytes of a graph, of version 18 of the operators:
///
///     tokens (B, T) int64    sequences, padded at their ends with any token
///     labels (B, T) int64    what each position must predict; below 0: nothing
///     theta (P, D) float     candidates of the adapter's trained numbers
///     loss (P) float         of each candidate: the mean of −ln p(label) over all labels that count
///     best (P, M) int64      if asked for: the most probable tokens in place of the M labels that count
///
/// B, T up to the model's context, and P are what the engine is given. Weights and factors that do not train are
/// constants, in float. `adapter` is that of one candidate. Its factors that lie in `theta`, the D trained numbers, are
/// read from the input at the same places: B of lora_fa, A and B of lora.
///
/// Throws std::invalid_argument if the model has parts that cannot be written: it must be like Llama, Mistral without
/// windows, or Qwen2.
inline std::string onnx_loss(const checkpoint& model, const low_rank_stack& adapter, std::span<const float> theta,
                             const onnx_options& o = {}) {
  onnx_graph g;
  return detail::loss_bytes(g, model, adapter, theta, o);
}

/// The same graph as a file at `path`, with its large constants in path + ".data", which engines find beside it and map
/// into memory. The format ends at 2 GB; a graph whose numbers are elsewhere does not reach it. Holds one linear at a
/// time. Also throws, naming the file and the system's reason, if one cannot be written.
inline void write_onnx_loss(const std::string& path, const checkpoint& model, const low_rank_stack& adapter,
                            std::span<const float> theta, const onnx_options& o = {}) {
  output_file file(path);
  onnx_data data(path + ".data");
  onnx_graph g(data);
  file.write(detail::loss_bytes(g, model, adapter, theta, o));
  data.finish();
  file.finish();
  data.commit();
  file.commit();
}

/// The same with P-RGE's update before the forward, as engines::in_graph_prge runs it:
///
///     tokens, labels (B, T) int64
///     plus, minus, noise (Q, D) float · coefficients (Q) float    B₊, B₋, z and c of engines::prge_run, for any Q
///     next_plus, next_minus (Q, D) float · loss (2Q) float
///
/// ε is a constant of the graph.
inline std::string onnx_prge(const checkpoint& model, const low_rank_stack& adapter, std::span<const float> theta,
                             double epsilon) {
  require(epsilon > 0 && epsilon < 1e30, "onnx_prge", "epsilon", epsilon, "above 0");
  onnx_graph g;
  const std::vector<std::string> extents{"Q", text(theta.size())};
  const auto tokens = g.input("tokens", onnx_type::int64, {"B", "T"});
  const auto labels = g.input("labels", onnx_type::int64, {"B", "T"});
  const auto plus = g.input("plus", onnx_type::float32, extents);
  const auto minus = g.input("minus", onnx_type::float32, extents);
  const auto noise = g.input("noise", onnx_type::float32, extents);
  const auto coefficients = g.input("coefficients", onnx_type::float32, {"Q"});
  const auto n = g.add("Mul", {g.add("Sub", {plus, minus}), g.scalar(0.5f)});
  const auto row = g.add("Unsqueeze", {coefficients, g.constant(std::vector<std::int64_t>{0})});
  const auto u = g.add("Mul", {g.add("MatMul", {row, n}), g.scalar(static_cast<float>(1 / epsilon))});
  const auto moved = g.add("Mul", {noise, g.scalar(static_cast<float>(epsilon))});
  const auto next_plus = g.add("Add", {g.add("Sub", {g.add("Sub", {plus, n}), u}), moved});
  const auto next_minus = g.add("Sub", {g.add("Sub", {g.add("Add", {minus, n}), u}), moved});
  const auto stack = g.add("Concat", {next_plus, next_minus}, {{"axis", std::int64_t{0}}});
  const auto loss = detail::onnx_llama(g, model, adapter, theta).losses(tokens, labels, stack, false).first;
  g.output("next_plus", next_plus, onnx_type::float32, extents);
  g.output("next_minus", next_minus, onnx_type::float32, extents);
  g.output("loss", loss, onnx_type::float32, {"P"});
  return g.bytes("prge", 18);
}

}  // namespace zoft::inline ZOFT_ISA::io
