/// Writes the forward of models like Llama as a graph.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../../core/low_rank.hpp"
#include "../../core/model_config.hpp"
#include "../file/low_rank_tensor.hpp"
#include "../file/weights.hpp"
#include "graph.hpp"

namespace zoft::inline ZOFT_ISA::io::detail {

/// Llama's forward, node by node. Streams are (P, rows, dim), and (1, rows, dim) before the first adapter acts.
class onnx_llama {
 public:
  using value = onnx_graph::value;

  onnx_llama(onnx_graph& g, const checkpoint& model, const low_rank_stack& adapter, std::span<const float> theta)
      : g_(g), m_(model), c_(model.shape()), adapter_(adapter), theta_(theta) {
    check();
  }

  /// theta (P, D) -> loss (P) and, if asked, best (P, labels).
  std::pair<value, value> losses(const value& tokens, const value& labels, const value& theta, bool best) {
    split(theta);
    const value extents = g_.add("Shape", {theta});
    candidates_ = g_.add("Concat", {g_.add("Gather", {extents, ints({0})}), ints({1, 1})}, {{"axis", whole(0)}});
    const std::size_t vocabulary = c_.vocabulary, dim = c_.dim;
    const value table = g_.constant(read(c_.names.embedding + ".weight", {vocabulary, dim}), {vocabulary, dim});
    positions(tokens);
    const value flat = g_.add("Reshape", {labels, ints({-1})});
    const value predicting =
        g_.add("Reshape", {g_.add("NonZero", {g_.add("Greater", {flat, g_.scalar(std::int64_t{-1})})}), ints({-1})});
    value x = g_.add("Reshape", {g_.add("Gather", {table, tokens}), ints({1, -1, whole(dim)})});
    for (std::size_t i = 0; i < c_.layers; ++i) x = block(i, x, i + 1 == c_.layers ? predicting : value());
    x = norm(x, c_.names.final_norm);

    // The head's rows are read twice, so they are kept as they are, and Gemm, which takes them so, has two axes.
    const value rows =
        c_.tied_head ? table : g_.constant(read(c_.names.head + ".weight", {vocabulary, dim}), {vocabulary, dim});
    const value row = g_.add("Reshape", {x, ints({-1, whole(dim)})});
    const value product = g_.add("Gemm", {row, rows}, {{"transB", whole(1)}});
    const value of_each = g_.add("Slice", {g_.add("Shape", {x}), ints({0}), ints({2})});
    const value logits =
        g_.add("Reshape", {product, g_.add("Concat", {of_each, ints({whole(vocabulary)})}, {{"axis", whole(0)}})});
    const value label = g_.add("Gather", {rows, g_.add("Gather", {flat, predicting})});
    const value of_label = g_.add("ReduceSum", {g_.add("Mul", {x, label}), ints({-1})}, {{"keepdims", whole(0)}});
    // Not ReduceLogSumExp: ONNX Runtime's adds one number after another, which is 1e-4 off for 49,152 words.
    const value most = g_.add("ReduceMax", {logits, ints({-1})});
    const value sum = g_.add("ReduceSum", {g_.add("Exp", {g_.add("Sub", {logits, most})}), ints({-1})});
    const value of_all = g_.add("Squeeze", {g_.add("Add", {g_.add("Log", {sum}), most}), ints({-1})});
    const value loss = g_.add("ReduceMean", {g_.add("Sub", {of_all, of_label}), ints({1})}, {{"keepdims", whole(0)}});
    return {loss, best ? g_.add("ArgMax", {logits}, {{"axis", whole(-1)}, {"keepdims", whole(0)}}) : value()};
  }

 private:
  static std::int64_t whole(std::size_t v) { return static_cast<std::int64_t>(v); }
  static std::int64_t whole(int v) { return v; }
  value ints(std::vector<std::int64_t> v) { return g_.constant(v); }

  void check() const {
    const config_check checks[] = {
        {c_.causal && c_.has_head, "a decoder with a head"},
        {c_.norm == nn::norm_kind::rms && !c_.norm_offset, "RMSNorm without an offset"},
        {!c_.parallel && c_.residual_scale == 1, "blocks one after another, unscaled"},
        {c_.rotates() && c_.pattern.empty() && c_.scaling.long_divisors.empty(),
         "rotary positions, the same in all blocks and for all lengths"},
        {c_.query_key_norm == nn::head_norm::none && c_.attention_cap == 0, "attention without norms and caps"},
        {!c_.names.gate.empty() && c_.act == nn::activation::silu, "SwiGLU"},
        {!c_.names.query.empty() && c_.names.query_key_value.empty() && !c_.transposed,
         "linears of their own for q, k and v"},
        {c_.row_dim() == c_.dim && c_.embedding_scale == 1 && c_.logit_scale == 1 && c_.logit_cap == 0 && !c_.bias.head,
         "an embedding and a head without scales and biases"},
        {c_.names.attention_added_norm.empty() && c_.names.attention_stream_norm.empty() &&
             c_.names.mlp_added_norm.empty() && c_.names.mlp_stream_norm.empty(),
         "two norms in a block"},
    };
    for (const config_check& one : checks)
      require(one.holds, m_.path + ": the model is of the family " + c_.family +
                             ", and a graph can be written of models with " + one.wanted);
  }
  struct config_check {
    bool holds;
    const char* wanted;
  };

  std::vector<float> read(const std::string& name, const std::vector<std::size_t>& shape) const {
    std::vector<float> result(elements(shape));
    m_.read(name, shape, result);
    return result;
  }

  /// rows (out, in) -> the matrix that x (·, in) is multiplied by: (in, out).
  value matrix(std::span<const float> rows, std::size_t in) {
    const std::size_t out = rows.size() / in;
    return g_.constant(transposed(rows, out, in), {in, out});
  }

  /// Slices of theta for the factors that lie in it, in its order.
  void split(const value& theta) {
    std::map<std::size_t, const float*> starts;
    std::vector<std::int64_t> sizes;
    const auto see = [&](const float* factor) {
      if (trained(factor)) starts[static_cast<std::size_t>(factor - theta_.data())] = factor;
    };
    for (std::size_t i = 0; i < adapter_.linears(); ++i) {
      const low_rank& l = *adapter_.find(adapter_.name(i));
      see(l.a);
      see(l.b);
    }
    require(!starts.empty(), "onnx: none of the adapter's factors lies in theta");
    require(starts.begin()->first == 0, "onnx: theta begins with numbers that are not the adapter's");
    for (auto s = starts.begin(); s != starts.end(); ++s) {
      const auto next = std::next(s);
      sizes.push_back(whole((next == starts.end() ? theta_.size() : next->first) - s->first));
    }
    const std::vector<value> slices = g_.split(theta, sizes, 1);
    std::size_t i = 0;
    for (const auto& [first, factor] : starts) slices_[factor] = slices[i++];
  }
  bool trained(const float* factor) const {
    return !std::less<>()(factor, theta_.data()) && std::less<>()(factor, theta_.data() + theta_.size());
  }

  /// A factor (rows, columns) of each candidate, transposed: (P, columns, rows).
  value factor(const float* f, std::size_t rows, std::size_t columns) {
    const value own = g_.add("Reshape", {slices_.at(f), ints({-1, whole(rows), whole(columns)})});
    return g_.add("Transpose", {own}, {{"perm", std::vector{whole(0), whole(2), whole(1)}}});
  }

  /// x (·, rows, in) -> xWᵀ + b + s·(xAᵀ)Bᵀ of linears that share x. W and frozen A of all are one product.
  std::vector<value> linears(const value& x, const std::vector<std::pair<std::string, std::size_t>>& which,
                             std::size_t in, bool biased) {
    std::vector<float> rows;
    std::vector<std::int64_t> sizes;
    for (const auto& [name, out] : which) {
      const std::vector<float> weight = read(name + ".weight", {out, in});
      rows.insert(rows.end(), weight.begin(), weight.end());
      sizes.push_back(whole(out));
    }
    for (const auto& [name, out] : which) {
      const low_rank* l = adapter_.find(name);
      if (l == nullptr || trained(l->a)) continue;
      for (std::size_t i = 0; i < l->rank * in; ++i) rows.push_back(l->scale * l->a[i]);
      sizes.push_back(whole(l->rank));
    }
    const value product = g_.add("MatMul", {x, matrix(rows, in)});
    const std::vector<value> pieces = sizes.size() > 1 ? g_.split(product, sizes, -1) : std::vector{product};
    std::vector<value> result;
    std::size_t next = which.size();
    for (std::size_t i = 0; i < which.size(); ++i) {
      const auto& [name, out] = which[i];
      value y = pieces[i];
      if (biased) y = g_.add("Add", {y, g_.constant(read(name + ".bias", {out}), {out})});
      if (const low_rank* l = adapter_.find(name)) {
        value low;
        if (trained(l->a))
          low = g_.add("Mul", {g_.add("MatMul", {x, factor(l->a, l->rank, in)}), g_.scalar(l->scale)});
        else
          low = pieces[next++];
        y = g_.add("Add", {y, g_.add("MatMul", {low, factor(l->b, out, l->rank)})});
        acted_ = true;
      }
      result.push_back(y);
    }
    return result;
  }

  value norm(const value& x, const std::string& name) {
    const value square = g_.add("Pow", {x, g_.scalar(2.0f)});
    const value mean = g_.add("ReduceMean", {square, ints({-1})});
    const value root = g_.add("Sqrt", {g_.add("Add", {mean, g_.scalar(static_cast<float>(c_.norm_epsilon))})});
    return g_.add("Mul", {g_.add("Div", {x, root}), g_.constant(read(name + ".weight", {c_.dim}), {c_.dim})});
  }

  /// What all blocks share: cos and sin of positions, the shapes of heads, and who sees whom.
  void positions(const value& tokens) {
    const std::size_t d = c_.head_dim, dims = c_.rotary_dims == 0 ? d : c_.rotary_dims;
    const double scale = c_.attention_scale != 0 ? c_.attention_scale : 1 / std::sqrt(static_cast<double>(d));
    // (a, b) becomes (a·cos − b·sin, b·cos + a·sin), as x·C + (xR)·S.
    std::vector<float> turn(d * d), cosine(c_.context * d), sine(c_.context * d), scaled_cosine, scaled_sine;
    for (std::size_t i = 0; i < d; ++i) {
      std::size_t pair = i;  // what i is turned with
      double frequency = 0;
      if (i < dims) {
        const std::size_t half = dims / 2, k = c_.pairing == nn::rope::interleaved ? i / 2 : i % half;
        const bool first = c_.pairing == nn::rope::interleaved ? i % 2 == 0 : i < half;
        pair = c_.pairing == nn::rope::interleaved ? i ^ 1u : first ? i + half : i - half;
        turn[pair * d + i] = first ? -1.0f : 1.0f;
        frequency = std::pow(c_.rope_base, -2.0 * static_cast<double>(k) / static_cast<double>(dims)) /
                    (c_.scaling.divisors.empty() ? 1.0 : c_.scaling.divisors[k]);
      }
      for (std::size_t t = 0; t < c_.context; ++t) {
        const double angle = static_cast<double>(t) * frequency;
        const double amplitude = i < dims ? c_.scaling.amplitude : 1;
        cosine[t * d + i] = static_cast<float>(amplitude * std::cos(angle));
        sine[t * d + i] = static_cast<float>(amplitude * std::sin(angle));
      }
    }
    for (const float v : cosine) scaled_cosine.push_back(static_cast<float>(scale) * v);
    for (const float v : sine) scaled_sine.push_back(static_cast<float>(scale) * v);
    turn_ = g_.constant(turn, {d, d});
    const value length = g_.add("Gather", {g_.add("Shape", {tokens}), ints({1})});
    const auto until_length = [&](const std::vector<float>& table) {
      return g_.add("Slice", {g_.constant(table, {c_.context, d}), ints({0}), length, ints({0})});
    };
    of_queries_ = {until_length(scaled_cosine), until_length(scaled_sine)};
    of_keys_ = {until_length(cosine), until_length(sine)};
    const auto shape = [&](const std::vector<value>& parts) { return g_.add("Concat", parts, {{"axis", whole(0)}}); };
    const std::int64_t kv = whole(c_.kv_heads), group = whole(c_.heads / c_.kv_heads), size = whole(d);
    const value all_tokens = g_.add("ReduceProd", {g_.add("Shape", {tokens})}, {{"keepdims", whole(1)}});
    query_shape_ = shape({ints({-1}), length, ints({kv, group, size})});
    key_shape_ = shape({ints({-1}), length, ints({kv, size})});
    score_shape_ = shape({ints({-1, kv, group}), length, length});
    row_shape_ = shape({ints({0, kv, -1}), length});
    mixed_shape_ = shape({ints({-1, kv, group}), length, ints({size})});
    stream_shape_ = shape({ints({-1}), all_tokens, ints({whole(c_.heads) * size})});
    const value one = g_.scalar(std::int64_t{1}), all = g_.add("Squeeze", {length});
    const value number = g_.add("Range", {g_.scalar(std::int64_t{0}), all, one});
    const value later = g_.add("Greater", {number, g_.add("Unsqueeze", {number, ints({1})})});
    mask_ = g_.add("Where", {later, g_.scalar(-1e30f), g_.scalar(0.0f)});
  }

  value rotated(const value& x, const std::pair<value, value>& by) {
    return g_.add("Add", {g_.add("Mul", {x, by.first}), g_.add("Mul", {g_.add("MatMul", {x, turn_}), by.second})});
  }

  /// q (P, B·T, heads·d), k and v (P, B·T, kv_heads·d) -> (P, B·T, heads·d). Queries that share a key head are rows of
  /// one product.
  value attention(const value& q, const value& k, const value& v) {
    const auto order = [](std::initializer_list<std::int64_t> axes) { return std::vector<std::int64_t>(axes); };
    const std::int64_t kv = whole(c_.kv_heads), d = whole(c_.head_dim);
    const auto heads = [&](const value& x) {
      return g_.add("Transpose", {g_.add("Reshape", {x, key_shape_})}, {{"perm", order({0, 2, 1, 3})}});
    };
    value queries = g_.add("Transpose", {g_.add("Reshape", {q, query_shape_})}, {{"perm", order({0, 2, 3, 1, 4})}});
    queries = g_.add("Reshape", {rotated(queries, of_queries_), ints({0, kv, -1, d})});
    const value keys = g_.add("Transpose", {rotated(heads(k), of_keys_)}, {{"perm", order({0, 1, 3, 2})}});
    value scores = g_.add("Reshape", {g_.add("MatMul", {queries, keys}), score_shape_});
    scores = g_.add("Softmax", {g_.add("Add", {scores, mask_})}, {{"axis", whole(-1)}});
    scores = g_.add("Reshape", {scores, row_shape_});
    const value mixed = g_.add("Reshape", {g_.add("MatMul", {scores, heads(v)}), mixed_shape_});
    return g_.add("Reshape", {g_.add("Transpose", {mixed}, {{"perm", order({0, 3, 1, 2, 4})}}), stream_shape_});
  }

  /// The block's output; if `rows` is given, only of these rows.
  value block(std::size_t i, value x, const value& rows) {
    const std::string prefix = c_.block_name(i);
    const nn::tensor_names& n = c_.names;
    const std::size_t queries = c_.heads * c_.head_dim, keys = c_.kv_heads * c_.head_dim;
    const std::vector<std::pair<std::string, std::size_t>> three{
        {prefix + n.query, queries}, {prefix + n.key, keys}, {prefix + n.value, keys}};
    const bool before = acted_;
    std::vector<value> qkv = linears(norm(x, prefix + n.attention_norm), three, c_.dim, c_.bias.query_key_value);
    for (std::size_t j = 0; j < qkv.size(); ++j)  // heads are many matrices in a product, and do not broadcast
      if (acted_ && !before && adapter_.find(three[j].first) == nullptr)
        qkv[j] = g_.add("Expand", {qkv[j], candidates_});
    value mixed = attention(qkv[0], qkv[1], qkv[2]);
    if (!rows.empty()) {
      mixed = g_.add("Gather", {mixed, rows}, {{"axis", whole(1)}});
      x = g_.add("Gather", {x, rows}, {{"axis", whole(1)}});
    }
    x = g_.add("Add", {x, linears(mixed, {{prefix + n.output, c_.dim}}, queries, c_.bias.attention_output)[0]});
    const std::vector<value> both = linears(
        norm(x, prefix + n.mlp_norm), {{prefix + n.gate, c_.hidden}, {prefix + n.up, c_.hidden}}, c_.dim, c_.bias.mlp);
    const value gate = g_.add("Mul", {both[0], g_.add("Sigmoid", {both[0]})});
    const value inner = g_.add("Mul", {gate, both[1]});
    return g_.add("Add", {x, linears(inner, {{prefix + n.down, c_.dim}}, c_.hidden, c_.bias.mlp)[0]});
  }

  onnx_graph& g_;
  const checkpoint& m_;
  const nn::config& c_;
  const low_rank_stack& adapter_;
  std::span<const float> theta_;
  std::map<const float*, value> slices_;
  value turn_, mask_, query_shape_, key_shape_, score_shape_, row_shape_, mixed_shape_, stream_shape_, candidates_;
  std::pair<value, value> of_queries_, of_keys_;
  bool acted_ = false;  // whether an adapter was added to anything so far
};

}  // namespace zoft::inline ZOFT_ISA::io::detail
