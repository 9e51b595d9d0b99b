/// bias_only and norm_only attached to a model: a vector for each of its linears or norms.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../core/adapter_stack.hpp"
#include "../../core/candidates.hpp"
#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// Vectors that are added to the model's own. They start from 0, so the adapted model starts as the model.
class vector_adapter {
 public:
  /// The part of a stack that holds these vectors.
  using place = std::map<std::string, group_vectors> adapter_stack::*;

  /// Makes a vector for each tensor, with one number per row.
  vector_adapter(std::vector<tensor> to, place where, const std::string& suffix) : to_(std::move(to)), where_(where) {
    for (const tensor& t : to_) trained_.add(t.name + suffix, t.rows);
    parameters_.resize(trained_.size(), 0.0f);
  }

  /// The trained buffer and its layout.
  std::span<float> parameters() { return parameters_; }
  std::span<const float> parameters() const { return parameters_; }
  const zoft::layout& layout() const { return trained_; }

  /// The current vectors, as one group.
  adapter_stack stack() const { return show(candidates<float>(parameters_.data(), 1, parameters_.size())); }

  /// Each candidate's vectors, as one group per candidate. Candidates that have no owner must stay alive.
  adapter_stack show(const candidates<float>& c) const {
    adapter_stack result(c.size());
    result.linears.keep(c.owner());
    for (std::size_t i = 0; i < to_.size(); ++i)
      (result.*where_)[to_[i].name] = {c.stack().data() + trained_.tensors()[i].offset, c.dimension(), to_[i].rows};
    return result;
  }

 private:
  std::vector<tensor> to_;  // the tensors that the vectors are added to
  place where_;
  zoft::layout trained_;
  std::vector<float> parameters_;
};

}  // namespace zoft::inline ZOFT_ISA
