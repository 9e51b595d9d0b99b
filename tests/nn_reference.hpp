// The decoder in double, one number after another: what a model's losses are without any rounding of the kernels'.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>
#include <zoft/core/adapter_stack.hpp>
#include <zoft/nn/transformer.hpp>

namespace nn_test {

class reference_model {
 public:
  /// Of the weights as the model keeps them.
  explicit reference_model(const zoft::nn::transformer& model) : c_(model.shape()), values_(model.weights()) {
    for (const zoft::tensor& t : model.weights_layout())
      tensors_[t.name] = std::span<const float>(values_).subspan(t.offset, t.size());
  }

  /// The mean of −ln p of all tokens but the first, in group g of a stack.
  double loss(const std::vector<std::int32_t>& tokens, const zoft::adapter_stack& stack, std::size_t g) const {
    const std::vector<std::vector<double>> all = logits(tokens, stack, g);
    double sum = 0;
    for (std::size_t t = 0; t + 1 < tokens.size(); ++t) {
      double total = 0;
      for (const double logit : all[t]) total += std::exp(logit);
      sum += std::log(total) - all[t][static_cast<std::size_t>(tokens[t + 1])];
    }
    return sum / static_cast<double>(tokens.size() - 1);
  }

  /// (tokens, vocabulary)
  std::vector<std::vector<double>> logits(const std::vector<std::int32_t>& tokens, const zoft::adapter_stack& stack,
                                          std::size_t g) const {
    return logits(tokens, stack, g, nullptr, std::vector<bool>(tokens.size(), true));
  }

  /// The same with a pattern of tokens, or none; `wanted` are the tokens whose logits are asked for.
  std::vector<std::vector<double>> logits(const std::vector<std::int32_t>& tokens, const zoft::adapter_stack& stack,
                                          std::size_t g, const zoft::nn::token_pattern* pattern,
                                          const std::vector<bool>& wanted) const {
    rows x;
    for (const std::int32_t id : tokens) x.push_back(row_of("model.embed_tokens.weight", static_cast<std::size_t>(id)));
    for (std::size_t layer = 0; layer < c_.layers; ++layer) {
      const std::string name = "model.layers." + std::to_string(layer) + ".";
      std::vector<bool> full(x.size(), pattern == nullptr), seen(x.size(), true);
      if (pattern != nullptr)
        for (const std::uint32_t b : pattern->kept[layer])
          for (std::size_t t = 64 * b; t < std::min<std::size_t>(64 * b + 64, full.size()); ++t) full[t] = true;
      if (pattern != nullptr && pattern->dropped == zoft::nn::dropped_tokens::unseen) seen = full;
      if (layer + 1 == c_.layers) {
        full = wanted;
        for (std::size_t t = 0; t < seen.size(); ++t) seen[t] = seen[t] || wanted[t];
      }
      const rows normed = norm(x, name + "input_layernorm", stack, g);
      rows q = linear(normed, name + "self_attn.q_proj", stack, g),
           k = linear(normed, name + "self_attn.k_proj", stack, g),
           v = linear(normed, name + "self_attn.v_proj", stack, g);
      const auto prefix = stack.prefixes.find(name + "self_attn");
      const std::size_t before = prefix == stack.prefixes.end() ? 0 : prefix->second.length;
      rotate(q, c_.heads, before);
      rotate(k, c_.kv_heads, before);
      if (before > 0) {
        k = behind(prefix->second.keys_of(g), before, k);
        v = behind(prefix->second.values_of(g), before, v);
      }
      add(x, linear(attention(q, k, v, seen), name + "self_attn.o_proj", stack, g), full);
      const rows again = norm(x, name + "post_attention_layernorm", stack, g);
      rows gate = linear(again, name + "mlp.gate_proj", stack, g);
      const rows up = linear(again, name + "mlp.up_proj", stack, g);
      for (std::size_t t = 0; t < gate.size(); ++t)
        for (std::size_t i = 0; i < gate[t].size(); ++i) gate[t][i] *= up[t][i] / (1 + std::exp(-gate[t][i]));
      add(x, linear(gate, name + "mlp.down_proj", stack, g), full);
    }
    rows result;
    for (const auto& row : norm(x, "model.norm", stack, g))
      result.push_back(product(row, c_.tied_head ? "model.embed_tokens.weight" : "lm_head.weight"));
    return result;
  }

 private:
  using rows = std::vector<std::vector<double>>;

  std::vector<double> row_of(const std::string& name, std::size_t row) const {
    const auto part = tensors_.at(name).subspan(row * c_.dim, c_.dim);
    return {part.begin(), part.end()};
  }
  /// W·x
  std::vector<double> product(const std::vector<double>& x, const std::string& name) const {
    const auto w = tensors_.at(name);
    std::vector<double> y(w.size() / x.size());
    for (std::size_t o = 0; o < y.size(); ++o) {
      const float* const row = w.data() + o * x.size();
      const double* const values = x.data();
      double sums[8] = {};  // that do not wait for one another
      std::size_t i = 0;
      for (; i + 8 <= x.size(); i += 8)
        for (std::size_t j = 0; j < 8; ++j) sums[j] += double{row[i + j]} * values[i + j];
      for (; i < x.size(); ++i) sums[0] += double{row[i]} * values[i];
      for (const double sum : sums) y[o] += sum;
    }
    return y;
  }
  /// Those of the prefix, and those behind it.
  static rows behind(const float* prefix, std::size_t length, const rows& own) {
    rows y;
    for (const std::size_t width = own[0].size(); y.size() < length; prefix += width)
      y.emplace_back(prefix, prefix + width);
    y.insert(y.end(), own.begin(), own.end());
    return y;
  }
  rows linear(const rows& x, const std::string& name, const zoft::adapter_stack& stack, std::size_t g) const {
    rows y;
    for (const auto& row : x) y.push_back(product(row, name + ".weight"));
    if (const auto own = tensors_.find(name + ".bias"); own != tensors_.end())
      for (auto& row : y)
        for (std::size_t o = 0; o < row.size(); ++o) row[o] += own->second[o];
    if (const auto added = stack.biases.find(name); added != stack.biases.end())
      for (auto& row : y)
        for (std::size_t o = 0; o < row.size(); ++o) row[o] += added->second.of(g)[o];
    if (const zoft::low_rank* l = stack.linears.find(name))
      for (std::size_t t = 0; t < x.size(); ++t)
        for (std::size_t r = 0; r < l->rank; ++r) {
          double u = 0;
          for (std::size_t i = 0; i < l->in; ++i) u += double{l->a_of(g)[r * l->in + i]} * x[t][i];
          for (std::size_t o = 0; o < l->out; ++o) y[t][o] += double{l->scale} * u * l->b_of(g)[o * l->rank + r];
        }
    return y;
  }
  rows norm(const rows& x, const std::string& name, const zoft::adapter_stack& stack, std::size_t g) const {
    const auto own = tensors_.at(name + ".weight");
    std::vector<double> gain(own.begin(), own.end());
    if (const auto added = stack.gains.find(name); added != stack.gains.end())
      for (std::size_t i = 0; i < gain.size(); ++i) gain[i] += added->second.of(g)[i];
    rows y = x;
    for (auto& row : y) {
      double square = 0;
      for (const double value : row) square += value * value;
      const double scale = 1 / std::sqrt(square / static_cast<double>(row.size()) + c_.norm_epsilon);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] *= gain[i] * scale;
    }
    return y;
  }
  /// The first row is at position `first`.
  void rotate(rows& x, std::size_t heads, std::size_t first) const {
    const std::size_t half = c_.head_dim / 2;
    const bool interleaved = c_.pairing == zoft::nn::rope::interleaved;
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t h = 0; h < heads; ++h)
        for (std::size_t i = 0; i < half; ++i) {
          const double power = -2.0 * static_cast<double>(i) / static_cast<double>(c_.head_dim);
          const double angle = static_cast<double>(first + t) * std::pow(c_.rope_base, power);
          double& a = x[t][h * c_.head_dim + (interleaved ? 2 * i : i)];
          double& b = x[t][h * c_.head_dim + (interleaved ? 2 * i + 1 : i + half)];
          const double before = a;
          a = before * std::cos(angle) - b * std::sin(angle);
          b = before * std::sin(angle) + b * std::cos(angle);
        }
  }
  /// Row t of q sees all of k but what belongs to the rows behind t, and to those that nobody sees.
  rows attention(const rows& q, const rows& k, const rows& v, const std::vector<bool>& is_seen) const {
    rows y(q.size(), std::vector<double>(q[0].size()));
    for (std::size_t t = 0; t < q.size(); ++t)
      for (std::size_t h = 0; h < c_.heads; ++h) {
        const std::size_t at = h * c_.head_dim, kv = h * c_.kv_heads / c_.heads * c_.head_dim;
        const std::size_t before = k.size() - q.size(), seen = before + t + 1;
        std::vector<double> p(seen, -std::numeric_limits<double>::infinity());
        for (std::size_t j = 0; j < seen; ++j) {
          if (j >= before && j < seen - 1 && !is_seen[j - before]) continue;
          p[j] = 0;
          for (std::size_t d = 0; d < c_.head_dim; ++d)
            p[j] += q[t][at + d] * k[j][kv + d] / std::sqrt(static_cast<double>(c_.head_dim));
        }
        const double most = *std::max_element(p.begin(), p.end());
        double total = 0;
        for (double& each : p) total += each = std::exp(each - most);
        for (std::size_t j = 0; j < seen; ++j)
          for (std::size_t d = 0; d < c_.head_dim; ++d) y[t][at + d] += p[j] / total * v[j][kv + d];
      }
    return y;
  }
  static void add(rows& x, const rows& y, const std::vector<bool>& to) {
    for (std::size_t t = 0; t < x.size(); ++t)
      for (std::size_t i = 0; i < x[t].size() && to[t]; ++i) x[t][i] += y[t][i];
  }

  zoft::nn::config c_;
  std::vector<float> values_;
  std::map<std::string, std::span<const float>> tensors_;
};

}  // namespace nn_test
