/// A model's weights with an adapter added to them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "../../core/adapter_stack.hpp"
#include "../../core/config.hpp"
#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// What group 0 of an adapter makes of a model's own numbers, so that the model alone computes what it computed with
/// the adapter: W becomes W + s·BA, a bias b + δ, a gain g + δ.
class merged_weights {
 public:
  /// `own` names the model's tensors, and the adapter's numbers must outlive this. Throws std::invalid_argument if
  /// something is added that is no tensor of the model, such as a prefix, or a bias where the model has none, or that
  /// is added in one of two places where the model uses a tensor, such as a tied embedding.
  merged_weights(const layout& own, const adapter_stack& added, std::string_view embedding) {
    if (!added.prefixes.empty()) fail("merge: a prefix is no weight of the model");
    for (std::size_t i = 0; i < added.linears.linears(); ++i) {
      const std::string name(added.linears.name(i));
      if (name == embedding) fail("merge: '" + name + "' is a table of tokens, whose adapter cannot be merged");
      const low_rank& l = *added.linears.find(name);
      const tensor& t = known(own, name + ".weight");
      if (t.rows != l.out || t.columns != l.in)
        fail("merge: '" + t.name + "' is " + text(t.rows) + " by " + text(t.columns) + ", and its adapter " +
             text(l.out) + " by " + text(l.in));
      linears_[t.name] = &l;
    }
    for (const auto& [name, v] : added.biases) add_vector(known(own, name + ".bias"), v);
    for (const auto& [name, v] : added.gains) add_vector(known(own, name + ".weight"), v);
  }

  /// Adds what belongs to the rows of a tensor, as many as there are in `values`, from `first` on.
  void add(std::string_view name, std::size_t first, std::size_t columns, std::span<float> values) const {
    if (const auto v = vectors_.find(name); v != vectors_.end())
      for (std::size_t i = 0; i < values.size(); ++i) values[i] += v->second.of(0)[first + i];
    const auto found = linears_.find(name);
    if (found == linears_.end()) return;
    const low_rank& l = *found->second;
    for (std::size_t row = 0; row < values.size() / columns; ++row)
      for (std::size_t k = 0; k < l.rank; ++k) {
        const float factor = l.scale_of(0) * l.b_of(0)[(first + row) * l.rank + k];
        for (std::size_t i = 0; i < columns; ++i) values[row * columns + i] += factor * l.a_of(0)[k * columns + i];
      }
  }

 private:
  static const tensor& known(const layout& own, const std::string& name) {
    const auto found = std::find_if(own.begin(), own.end(), [&](const tensor& t) { return t.name == name; });
    if (found == own.end()) fail("merge: the model has no '" + name + "' that the adapter could be added to");
    return *found;
  }
  void add_vector(const tensor& t, const group_vectors& v) {
    if (t.size() != v.size)
      fail("merge: '" + t.name + "' has " + text(t.size()) + " numbers, and its adapter " + text(v.size));
    vectors_[t.name] = v;
  }

  std::map<std::string, const low_rank*, std::less<>> linears_;
  std::map<std::string, group_vectors, std::less<>> vectors_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
