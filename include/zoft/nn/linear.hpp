/// Linear layers that read the same input, as one matrix; and what a stack of adapters adds to them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../low_rank.hpp"
#include "elementwise.hpp"
#include "matmul.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// y = xWᵀ + b, where W is the linears' weights one behind another, and so is b, or nothing.
struct linear {
  struct part {
    std::string name;       ///< the linear's
    std::size_t first = 0;  ///< its first output
    std::size_t out = 0;
  };
  packed_matrix weight;
  std::vector<float> bias;
  std::vector<part> parts;
};

/// The additions of G groups to one `linear`, packed. The As of all its adapted parts are one matrix, since they too
/// read one input; the scale is in B.
class addition {
 public:
  addition() = default;

  /// None of the linear's parts may be in the stack; then empty() holds. Throws where shapes do not fit the linear's.
  addition(const linear& to, const low_rank_stack& stack) {
    const std::size_t groups = stack.size();
    std::size_t columns = 0;
    bool shared = true;
    std::vector<const low_rank*> found;
    for (const linear::part& p : to.parts) {
      const low_rank* l = stack.find(p.name);
      if (l == nullptr) continue;
      if (l->in != to.weight.in() || l->out != p.out)
        fail("adapter: '" + p.name + "' is adapted as " + text(l->out) + " by " + text(l->in) + ", and is " +
             text(p.out) + " by " + text(to.weight.in()));
      parts_.push_back({p.first, columns, {}});
      found.push_back(l);
      columns += l->rank;
      shared = shared && l->a_stride == 0;
    }
    if (found.empty()) return;
    for (std::size_t g = 0; g < (shared ? 1 : groups); ++g) {
      packed_matrix& a = a_.emplace_back(columns, to.weight.in(), dtype::f32);
      for (std::size_t i = 0; i < found.size(); ++i)
        a.assign({found[i]->a_of(g), found[i]->rank * found[i]->in}, parts_[i].column);
    }
    for (std::size_t i = 0; i < found.size(); ++i)
      for (std::size_t g = 0; g < groups; ++g) {
        packed_matrix& b = parts_[i].b.emplace_back(found[i]->out, found[i]->rank, dtype::f32);
        b.assign({found[i]->b_of(g), found[i]->out * found[i]->rank}, 0, found[i]->scale);
      }
  }

  bool empty() const { return parts_.empty(); }
  bool shares_a() const { return a_.size() == 1; }
  std::size_t columns() const { return a_.empty() ? 0 : a_.front().out(); }

  /// u = x A_gᵀ: x (rows, in) -> u (rows, columns)
  template <class Arch>
  void reduce(std::size_t group, rows_of<const float> x, std::size_t rows, float* u) const {
    matmul<Arch>(x, rows, a_[shares_a() ? 0 : group], rows_of<float>{u, columns()});
  }
  /// y += s·u B_gᵀ: u (rows, columns) -> y (rows, out of the whole linear)
  template <class Arch>
  void expand(std::size_t group, const float* u, std::size_t rows, rows_of<float> y) const {
    for (const part& p : parts_)
      matmul<Arch>(rows_of<const float>{u + p.column, columns()}, rows, p.b[group], {y.data + p.first, y.stride}, true);
  }

 private:
  struct part {
    std::size_t first;             // output of the whole linear
    std::size_t column;            // of u
    std::vector<packed_matrix> b;  // one a group
  };
  std::vector<packed_matrix> a_;  // one, or one a group
  std::vector<part> parts_;
};

/// Groups [first, first + count) of a stack: those that one call evaluates.
struct group_range {
  std::size_t first = 0, count = 1;
};

/// x (groups, rows, in), groups being 1 or g.count -> y (groups', rows, out); returns groups'. An input of one group
/// that meets an addition becomes g.count groups: the base product, which they share, is computed once.
template <class Arch>
std::size_t apply(const linear& l, const addition& extra, std::span<const float> x, std::size_t groups,
                  std::size_t rows, group_range g, std::vector<float>& y, std::vector<float>& scratch) {
  const std::size_t in = l.weight.in(), out = l.weight.out();
  const std::size_t result = extra.empty() ? groups : g.count;
  y.resize(result * rows * out);
  matmul<Arch>(rows_of<const float>{x.data(), in}, groups * rows, l.weight, rows_of<float>{y.data(), out});
  if (!l.bias.empty())
    for (std::size_t row = 0; row < groups * rows; ++row) add<Arch>({y.data() + row * out, out}, l.bias);
  if (extra.empty()) return groups;

  for (std::size_t copy = groups; copy < result; ++copy)
    std::copy_n(y.data(), rows * out, y.data() + copy * rows * out);
  const std::size_t columns = extra.columns(), reduced = extra.shares_a() ? groups : result;
  scratch.resize(reduced * rows * columns);
  for (std::size_t i = 0; i < reduced; ++i)
    extra.template reduce<Arch>(g.first + i, {x.data() + (groups == 1 ? 0 : i) * rows * in, in}, rows,
                                scratch.data() + i * rows * columns);
  for (std::size_t i = 0; i < result; ++i)
    extra.template expand<Arch>(g.first + i, scratch.data() + (reduced == 1 ? 0 : i) * rows * columns, rows,
                                {y.data() + i * rows * out, out});
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::nn
