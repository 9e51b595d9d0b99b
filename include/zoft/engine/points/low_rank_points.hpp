/// Points around a model's weights along low-rank directions, as additions beside the weights.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../../core/adapter_stack.hpp"
#include "../../core/candidates.hpp"
#include "../../core/direction.hpp"
#include "../../core/layout.hpp"

namespace zoft::inline ZOFT_ISA {

/// The points θ + scale·z of one step, without θ. For a matrix (m, k), z = L·R with L (m, r) and R (r, k):
///
///     x (W + scale·LR)ᵀ = xWᵀ + scale·(xRᵀ)Lᵀ
///
/// This is what adapters add to a linear, with A = R and B = L. Vectors are added as they are, as biases or as gains:
/// see vector_kind. The name of a linear or norm is its weight's name without ".weight". Memory: q·r·m numbers for each
/// matrix, and r·k, or q·r·k if queries differ in R; for each point, a copy of each vector.
class low_rank_points {
 public:
  /// The name of the linear or norm that a tensor belongs to.
  static std::string stem(const std::string& name, const std::string& suffix) {
    return name.ends_with(suffix) ? name.substr(0, name.size() - suffix.size()) : name;
  }

  /// The step's points as a stack with a group for each point, valid until the next call. z are the directions of the
  /// step's queries. Tensors that do not move have no entry. Factors are made once a step.
  template <class Z>
  adapter_stack show(const layout& shape, const std::vector<bool>& moves, const std::vector<Z>& z, bool shares_right,
                     direction step, const std::vector<point>& points) {
    if (made_ != step || queries_ != z.size()) make(shape, moves, z, shares_right);
    made_ = step;
    queries_ = z.size();
    points_ = points;
    vectors_.assign(points.size() * vector_size_, 0.0f);
    adapter_stack result(points.size());
    std::size_t left = 0, right = 0, vector = 0;
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const tensor& t = shape.tensors()[i];
      if (!moves[i]) continue;
      if (t.is_matrix()) {
        const std::size_t rank = z[0].rank();
        result.linears.add(stem(t.name, ".weight"), {.a = right_.data() + right,
                                                     .b = left_.data() + left,
                                                     .a_stride = shares_right ? 0 : right_size_,
                                                     .b_stride = left_size_,
                                                     .rank = rank,
                                                     .in = t.columns,
                                                     .out = t.rows,
                                                     .points = points_.data()});
        left += rank * t.rows;
        right += rank * t.columns;
      } else {
        for (std::size_t g = 0; g < points.size(); ++g)
          z[points[g].query].axpy(std::span(vectors_).subspan(g * vector_size_ + vector, t.rows),
                                  static_cast<float>(points[g].scale), t.offset);
        const group_vectors added{vectors_.data() + vector, vector_size_, t.rows};
        if (t.is_bias())
          result.biases[stem(t.name, ".bias")] = added;
        else
          result.gains[stem(t.name, ".weight")] = added;
        vector += t.rows;
      }
    }
    return result;
  }

 private:
  template <class Z>
  void make(const layout& shape, const std::vector<bool>& moves, const std::vector<Z>& z, bool shares_right) {
    left_size_ = right_size_ = vector_size_ = 0;
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const tensor& t = shape.tensors()[i];
      if (!moves[i]) continue;
      left_size_ += t.is_matrix() ? z[0].rank() * t.rows : 0;
      right_size_ += t.is_matrix() ? z[0].rank() * t.columns : 0;
      vector_size_ += t.is_matrix() ? 0 : t.rows;
    }
    left_.resize(z.size() * left_size_);
    right_.resize((shares_right ? 1 : z.size()) * right_size_);
    for (std::size_t query = 0; query < z.size(); ++query) {
      float *left = left_.data() + query * left_size_, *right = right_.data() + query * right_size_;
      for (std::size_t i = 0; i < moves.size(); ++i) {
        const tensor& t = shape.tensors()[i];
        if (!moves[i] || !t.is_matrix()) continue;
        const std::size_t size = z[query].rank() * t.rows;
        z[query].left(i, std::span(left, size));
        left += size;
        const std::span<const float> of_query = z[query].right(i);
        if (query == 0 || !shares_right) right = std::copy(of_query.begin(), of_query.end(), right);
      }
    }
  }

  std::optional<direction> made_;  // the step that the factors belong to
  std::size_t queries_ = 0;
  std::size_t left_size_ = 0, right_size_ = 0, vector_size_ = 0;  // factors: of a query; vectors: of a point
  std::vector<float> left_, right_, vectors_;
  std::vector<point> points_;
};

/// The same for directions whose factors already lie side by side, for query after query: they are not copied. What has
/// no factors rests.
class viewed_points {
 public:
  template <class Z>
  adapter_stack show(const layout& shape, const std::vector<bool>& moves, const std::vector<Z>& z,
                     const std::vector<point>& points) {
    points_ = points;
    adapter_stack result(points.size());
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const tensor& t = shape.tensors()[i];
      const std::span<const float> left = z[0].left(i);
      if (!moves[i] || left.empty()) continue;
      result.linears.add(low_rank_points::stem(t.name, ".weight"), {.a = z[0].right(i).data(),
                                                                    .b = left.data(),
                                                                    .a_stride = z[0].rank() * t.columns,
                                                                    .b_stride = z[0].rank() * t.rows,
                                                                    .rank = z[0].rank(),
                                                                    .in = t.columns,
                                                                    .out = t.rows,
                                                                    .points = points_.data()});
    }
    return result;
  }

 private:
  std::vector<point> points_;
};

}  // namespace zoft::inline ZOFT_ISA
