/// Low-rank additions to linear layers, as seen by the code that evaluates them: pointers, sizes, and what keeps the
/// numbers alive.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "candidates.hpp"

namespace zoft::inline ZOFT_ISA {

/// A (rank, in) and B (out, rank) of one linear, row-major, as an adapter may begin with.
struct low_rank_values {
  std::string linear;       ///< the linear's name
  std::vector<float> a, b;  ///< A and B
};

/// What is added to y = xWᵀ in each of G groups of rows:
///
///     y_g += s·(x_g A_gᵀ) B_gᵀ        x (rows, in), A_g (r, in), B_g (out, r), y (rows, out), all row-major
///
/// If the groups are points θ + scale·z(query), the points of one query share its A and B, and each multiplies s by its
/// own scale.
///
/// Hu et al. 2021, arXiv:2106.09685 (LoRA); with one A for all groups, Zhang et al. 2023, arXiv:2308.03303 (LoRA-FA).
struct low_rank {
  const float* a = nullptr;       ///< the first A
  const float* b = nullptr;       ///< the first B
  std::size_t a_stride = 0;       ///< elements from one A to the next; 0 if all groups share one A
  std::size_t b_stride = 0;       ///< elements from one B to the next
  std::size_t rank = 0;           ///< r
  std::size_t in = 0;             ///< the linear's inputs
  std::size_t out = 0;            ///< and outputs
  float scale = 1;                ///< s = α/r
  const point* points = nullptr;  ///< one per group, or null: then group g has A_g and B_g
  std::size_t points_stride = 1;  ///< points from one group's to the next

  const float* a_of(std::size_t group) const { return a + number_of(group) * a_stride; }  ///< A_g
  const float* b_of(std::size_t group) const { return b + number_of(group) * b_stride; }  ///< B_g
  /// s, times the scale of the group's point if there are points.
  float scale_of(std::size_t group) const {
    return points == nullptr ? scale : scale * static_cast<float>(points[group * points_stride].scale);
  }

 private:
  std::size_t number_of(std::size_t group) const {
    return points == nullptr ? group : points[group * points_stride].query;
  }
};

/// The additions to the linears of one model, for size() groups. A linear without an entry has none.
class low_rank_stack {
 public:
  /// Without an entry.
  explicit low_rank_stack(std::size_t groups) : groups_(groups) {}

  /// The addition to the linear of that name.
  void add(std::string_view linear, const low_rank& addition) { entries_.push_back({std::string(linear), addition}); }
  /// Keeps what the entries refer to alive as long as this stack and its copies.
  void keep(std::shared_ptr<const void> owner) { owner_ = std::move(owner); }
  std::size_t size() const { return groups_; }             ///< groups
  std::size_t linears() const { return entries_.size(); }  ///< linears with an entry

  /// A stack with only the groups first, first + step, …
  low_rank_stack every(std::size_t step, std::size_t first) const {
    low_rank_stack result = *this;
    result.groups_ = first < groups_ ? (groups_ - first - 1) / step + 1 : 0;
    for (entry& e : result.entries_) {
      low_rank& l = e.addition;
      if (l.points != nullptr) {
        l.points += first * l.points_stride;
        l.points_stride *= step;
      } else {
        l.a = l.a_of(first);
        l.b = l.b_of(first);
        l.a_stride *= step;
        l.b_stride *= step;
      }
    }
    return result;
  }

  std::string_view name(std::size_t i) const { return entries_[i].linear; }  ///< of entry i, in the order of add

  /// The addition to that linear, or null.
  const low_rank* find(std::string_view linear) const {
    for (const entry& e : entries_)
      if (e.linear == linear) return &e.addition;
    return nullptr;
  }

 private:
  struct entry {
    std::string linear;
    low_rank addition;
  };
  std::vector<entry> entries_;
  std::size_t groups_;
  std::shared_ptr<const void> owner_;
};

}  // namespace zoft::inline ZOFT_ISA
