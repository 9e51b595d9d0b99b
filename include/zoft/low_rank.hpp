/// Low-rank additions to linear layers, as seen by whoever evaluates them: no owner, no policy, only where the numbers
/// are.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

/// What is added to y = xWᵀ in each of G groups of rows:
///
///     y_g += s·(x_g A_gᵀ) B_gᵀ        x (rows, in), A_g (r, in), B_g (out, r), y (rows, out), all row-major
///
/// Hu et al. 2021, arXiv:2106.09685 (LoRA); with one A for all groups, Zhang et al. 2023, arXiv:2308.03303 (LoRA-FA).
struct low_rank {
  const float* a = nullptr;
  const float* b = nullptr;
  std::size_t a_stride = 0;  ///< elements from A_g to A_{g+1}; 0 where all groups share one A
  std::size_t b_stride = 0;  ///< elements from B_g to B_{g+1}
  std::size_t rank = 0;
  std::size_t in = 0;
  std::size_t out = 0;
  float scale = 1;  ///< s = α/r

  const float* a_of(std::size_t group) const { return a + group * a_stride; }
  const float* b_of(std::size_t group) const { return b + group * b_stride; }
};

/// The additions to the linears of one model, for size() groups; a linear that is not named has none.
class low_rank_stack {
 public:
  explicit low_rank_stack(std::size_t groups) : groups_(groups) {}

  void add(std::string_view linear, const low_rank& addition) { entries_.push_back({std::string(linear), addition}); }
  std::size_t size() const { return groups_; }
  std::size_t linears() const { return entries_.size(); }

  /// The groups first, first + step, … as a stack of their own.
  low_rank_stack every(std::size_t step, std::size_t first) const {
    low_rank_stack result = *this;
    result.groups_ = first < groups_ ? (groups_ - first - 1) / step + 1 : 0;
    for (entry& e : result.entries_) {
      low_rank& l = e.addition;
      l.a = l.a_of(first);
      l.b = l.b_of(first);
      l.a_stride *= step;
      l.b_stride *= step;
    }
    return result;
  }

  std::string_view name(std::size_t i) const { return entries_[i].linear; }

  /// The addition to that linear, or none.
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
};

}  // namespace zoft::inline ZOFT_ISA
