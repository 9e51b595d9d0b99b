/// Low-rank additions to linear layers, as seen by whoever evaluates them: no owner, no policy, only where the numbers
/// are.
#pragma once

#include <algorithm>
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

  void add(std::string_view linear, const low_rank& addition) {
    const auto behind_equals = std::upper_bound(by_name_.begin(), by_name_.end(), linear,
                                                [this](auto name, auto i) { return name < entries_[i].linear; });
    by_name_.insert(behind_equals, entries_.size());
    entries_.push_back({std::string(linear), addition});
  }
  std::size_t size() const { return groups_; }
  std::size_t linears() const { return entries_.size(); }
  std::string_view name(std::size_t i) const { return entries_[i].linear; }

  /// The addition to that linear, the first if there are several, or none.
  const low_rank* find(std::string_view linear) const {
    const auto found = place(linear);
    return found == by_name_.end() || entries_[*found].linear != linear ? nullptr : &entries_[*found].addition;
  }

 private:
  struct entry {
    std::string linear;
    low_rank addition;
  };

  /// Where in by_name_ the first of that name is, or would be.
  std::vector<std::size_t>::const_iterator place(std::string_view linear) const {
    return std::lower_bound(by_name_.begin(), by_name_.end(), linear,
                            [this](std::size_t i, std::string_view name) { return entries_[i].linear < name; });
  }

  std::vector<entry> entries_;
  std::vector<std::size_t> by_name_;  // the entries' places, by their names
  std::size_t groups_;
};

}  // namespace zoft::inline ZOFT_ISA
