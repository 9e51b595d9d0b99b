/// Linear layers that read the same input, stored as one matrix, and what a stack of adapters adds to them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "../../core/adapter_stack.hpp"
#include "../kernel/matmul.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// y = xWᵀ + b. W holds the weights of the linears one after another, and b their biases, or nothing.
struct linear {
  struct part {
    std::string name;       ///< its name, as adapters use it
    std::size_t first = 0;  ///< its first output
    std::size_t out = 0;
  };
  packed_matrix weight;
  std::vector<float> bias;
  std::vector<part> parts;
};

/// What each of G groups adds to one `linear`, y += s·(x A_gᵀ) B_gᵀ + b_g, in the form that the weight's unit
/// multiplies. The As of all adapted parts are packed as one matrix, because they read the same input. The Bs stay
/// where they are and are packed one panel at a time, because in many groups they are much memory and little work. For
/// units that multiply pairs of bfloat16, B is a sum of an upper and a lower part, and so is A if groups have their
/// own: a perturbation is smaller than what bfloat16 keeps of the number that it is added to.
class addition {
 public:
  addition() = default;

  /// If the stack adapts none of the linear's parts, empty() holds. The stack's numbers must outlive this. Throws if a
  /// shape does not fit the linear.
  addition(const linear& to, const adapter_stack& stack) : addition(to.weight, to.parts, stack) {}
  addition(const packed_matrix& weight, std::span<const linear::part> parts, const adapter_stack& stack) {
    kernel::with_unit<simd::arch>(weight.type(), [&]<class Unit>(Unit) { fill<Unit>(weight, parts, stack.linears); });
    fill_biases(parts, stack);
  }

  bool empty() const { return parts_.empty() && biases_.empty(); }
  bool has_pairs() const { return !parts_.empty(); }  ///< whether any A and B are added
  bool shares_a() const { return a_.size() == 1; }
  const packed_matrix& a(std::size_t group) const { return a_[shares_a() ? 0 : which_a_[group]]; }
  std::size_t steps() const { return steps_; }  ///< number of steps that `expand` makes of a row

  /// u, a row of x Aᵀ (a(g).out()) -> the row that add_panel multiplies. Changes u.
  template <class Unit>
  void expand(float* u, typename Unit::element* to) const {
    if (split_) std::transform(u, u + columns_, u + columns_, u, std::plus{});
    for (const part& p : parts_) Unit::expand_x(u + p.column, p.of.rank, split_, to + p.step);
  }

  /// y (rows, outputs [first, end)) += the group's biases.
  void add_biases(std::size_t group, std::size_t first, std::size_t end, std::size_t rows, rows_of<float> y) const {
    for (const bias& b : biases_) {
      const std::size_t from = std::max(first, b.first), to = std::min(end, b.first + b.of.size);
      for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t o = from; o < to; ++o) y.at(r).data[o - first] += b.of.of(group)[o - b.first];
    }
  }

  /// y (rows, outputs [first, end)) += the group's low-rank addition, from rows that `expand` made. The outputs are
  /// those of one panel of the weight, `width` wide, or its first ones.
  template <class Unit>
  void add_panel(std::size_t group, std::size_t first, std::size_t end, std::size_t width,
                 rows_of<const typename Unit::element> expanded, std::size_t rows, rows_of<float> y) const {
    static thread_local std::vector<typename Unit::element, line_allocator<typename Unit::element>> panel;
    const auto has_outputs = [&](const part& p) { return p.first < end && first < p.first + p.of.out; };
    const auto begin = std::find_if(parts_.begin(), parts_.end(), has_outputs);
    std::size_t steps = 0;
    for (auto p = begin; p != parts_.end() && has_outputs(*p); ++p) steps += Unit::steps_of(p->of.rank, split_);
    if (steps == 0) return;
    panel.assign(steps * width, 0);
    for (auto p = begin; p != parts_.end() && has_outputs(*p); ++p) {
      const std::size_t from = std::max(first, p->first), to = std::min(end, p->first + p->of.out);
      Unit::expand_w(p->of.b_of(group) + (from - p->first) * p->of.rank, p->of.rank, to - from, p->of.scale_of(group),
                     split_, width, panel.data() + (p->step - begin->step) * width + from - first);
    }
    if (width == packed_matrix::lanes)
      Unit::template multiply_steps<1>(expanded.at(0, begin->step), rows, panel.data(), steps, y, end - first, true);
    else
      Unit::template multiply_steps<2>(expanded.at(0, begin->step), rows, panel.data(), steps, y, end - first, true);
  }

 private:
  struct part {
    std::size_t first;   // first output, in the whole linear
    std::size_t column;  // first column of u
    std::size_t step;    // first step of the expanded row
    low_rank of;
  };
  struct bias {
    std::size_t first;  // first output, in the whole linear
    group_vectors of;
  };

  template <class Unit>
  void fill(const packed_matrix& weight, std::span<const linear::part> parts, const low_rank_stack& stack) {
    constexpr bool narrow = Unit::inputs > 1;
    bool shared = true;
    for (const linear::part& p : parts) {
      const low_rank* l = stack.find(p.name);
      if (l == nullptr) continue;
      if (l->in != weight.in() || l->out != p.out)
        fail("adapter: '" + p.name + "' is adapted as " + text(l->out) + " by " + text(l->in) + ", and is " +
             text(p.out) + " by " + text(weight.in()));
      parts_.push_back({p.first, columns_, 0, *l});
      columns_ += l->rank;
      shared = shared && l->a_stride == 0;
    }
    split_ = narrow && !shared;
    for (part& p : parts_) {
      p.step = steps_;
      steps_ += Unit::steps_of(p.of.rank, split_);
    }
    for (std::size_t g = 0; has_pairs() && g < (shared ? 1 : stack.size()); ++g) {
      const auto same = [&](std::size_t other) {
        return std::all_of(parts_.begin(), parts_.end(),
                           [&](const part& p) { return p.of.a_of(other) == p.of.a_of(g); });
      };
      std::size_t first = 0;
      while (!same(first)) ++first;
      which_a_.push_back(first < g ? which_a_[first] : a_.size());
      if (first == g) pack_a(weight.in(), g, narrow ? dtype::bf16 : dtype::f32);
    }
  }

  void fill_biases(std::span<const linear::part> parts, const adapter_stack& stack) {
    for (const linear::part& p : parts) {
      const auto found = stack.biases.find(p.name);
      if (found == stack.biases.end()) continue;
      if (found->second.size != p.out)
        fail("adapter: a bias of " + text(found->second.size) + " is added to '" + p.name + "', which has " +
             text(p.out) + " outputs");
      biases_.push_back({p.first, found->second});
    }
  }

  void pack_a(std::size_t in, std::size_t group, dtype type) {
    packed_matrix& a = a_.emplace_back(split_ ? 2 * columns_ : columns_, in, type);
    for (const part& p : parts_) {
      const std::span<const float> values(p.of.a_of(group), p.of.rank * in);
      a.assign(values, p.column);
      if (split_) {
        std::vector<float> lower(values.size());
        std::transform(values.begin(), values.end(), lower.begin(), lower_part);
        a.assign(lower, columns_ + p.column);
      }
    }
  }

  bool split_ = false;                   // whether A and u are sums of an upper and a lower part
  std::size_t columns_ = 0, steps_ = 0;  // of u, and of the expanded row
  std::vector<packed_matrix> a_;         // one for all groups, or each distinct one once
  std::vector<std::size_t> which_a_;     // index in a_ of each group's A
  std::vector<part> parts_;
  std::vector<bias> biases_;
};

/// Groups [first, first + count) of a stack, which one call evaluates.
struct group_range {
  std::size_t first = 0, count = 1;
};

namespace kernel {

/// x (groups, rows, in) -> y (groups·copies, rows, columns of the panels), where copies or groups is 1.
template <class Unit>
void multiply_linear(const packed_matrix& w, std::span<const float> bias, const addition& extra, panel_range panels,
                     rows_of<const float> x, std::size_t groups, std::size_t rows, std::size_t first_group,
                     std::size_t copies, rows_of<float> y) {
  using element = typename Unit::element;
  static thread_local std::vector<float> u;
  static thread_local std::vector<element> expanded;
  const std::size_t reduced = extra.has_pairs() ? extra.a(0).out() : 0, steps = extra.steps();
  // Each set holds x Aᵀ for the rows of a block. All copies share one set, unless their As differ.
  const std::size_t sets = !extra.has_pairs() ? 0 : extra.shares_a() ? 1 : copies;
  u.resize(sets * Unit::block_rows * reduced);
  expanded.resize((sets * Unit::block_rows + Unit::least_rows - 1) * steps);  // a unit may read past the last rows
  const auto expanded_of = [&](std::size_t set) {
    return rows_of<element>{expanded.data() + set * Unit::block_rows * steps, steps};
  };

  for_each_block<Unit>(x, groups * rows, w.in(), [&](const gathered<Unit>& block) {
    // Calls f(group, from, n) for every n rows of the block, from row `from` on, that belong to one group.
    const auto for_each_group = [&](auto f) {
      for (std::size_t from = 0, n; from < block.rows; from += n) {
        const std::size_t group = (block.row + from) / rows;
        n = std::min(block.rows - from, (group + 1) * rows - block.row - from);
        f(group, from, n);
      }
    };
    for (std::size_t set = 0; set < sets; ++set) {
      const rows_of<float> to{u.data() + set * Unit::block_rows * reduced, reduced};
      const auto reduce = [&](std::size_t group, std::size_t from, std::size_t n) {
        const packed_matrix& a = extra.a(first_group + group);
        for (std::size_t p = 0; p < a.panels(); ++p)
          block.multiply_panel(from, n, a, p, to.at(from, p * a.width()), false);
      };
      if (extra.shares_a())
        reduce(0, 0, block.rows);
      else
        for_each_group([&](std::size_t group, std::size_t from, std::size_t n) { reduce(group + set, from, n); });
      for (std::size_t r = 0; block.last && r < block.rows; ++r)
        extra.template expand<Unit>(to.at(r).data, expanded_of(set).at(r).data);
    }
    for (std::size_t p = panels.first; p < panels.first + panels.count; ++p) {
      const std::size_t columns = w.columns(p), column = p * w.width();
      const rows_of<float> first = y.at(block.row, column - panels.first * w.width());
      block.multiply_panel(0, block.rows, w, p, first, false);
      if (!block.last) continue;
      // Finish the columns of the panel while they are in cache.
      if (!bias.empty())
        for (std::size_t r = 0; r < block.rows; ++r)
          for (std::size_t c = 0; c < columns; ++c) first.at(r).data[c] += bias[column + c];
      for (std::size_t copy = 1; copy < copies; ++copy)
        for (std::size_t r = 0; r < block.rows; ++r)
          std::copy_n(first.at(r).data, columns, first.at(copy * rows + r).data);
      for (std::size_t copy = 0; !extra.empty() && copy < copies; ++copy)
        for_each_group([&](std::size_t group, std::size_t from, std::size_t n) {
          const rows_of<float> to = first.at(copy * rows + from);
          if (sets > 0)
            extra.template add_panel<Unit>(first_group + group + copy, column, column + columns, w.width(),
                                           {expanded_of(sets == 1 ? 0 : copy).at(from).data, steps}, n, to);
          extra.add_biases(first_group + group + copy, column, column + columns, n, to);
        });
    }
  });
}

}  // namespace kernel

/// x (groups, rows, in) -> y (groups', rows, columns of the panels of w), where groups is 1 or g.count. Returns
/// groups'. If there is an addition, an input of one group becomes g.count groups. They share the base product, which
/// is computed once.
template <class Arch>
std::size_t apply(const packed_matrix& w, std::span<const float> bias, const addition& extra, panel_range panels,
                  std::span<const float> x, std::size_t groups, std::size_t rows, group_range g,
                  std::vector<float>& y) {
  const std::size_t result = extra.empty() ? groups : g.count;
  const std::size_t columns = std::min(panels.count * w.width(), w.out() - panels.first * w.width());
  y.resize(result * rows * columns);
  kernel::with_unit<Arch>(w.type(), [&]<class Unit>(Unit) {
    kernel::multiply_linear<Unit>(w, bias, extra, panels, {x.data(), w.in()}, groups, rows, g.first, result / groups,
                                  {y.data(), columns});
  });
  return result;
}

/// The same for all outputs of a linear.
template <class Arch>
std::size_t apply(const linear& l, const addition& extra, std::span<const float> x, std::size_t groups,
                  std::size_t rows, group_range g, std::vector<float>& y) {
  return apply<Arch>(l.weight, l.bias, extra, {0, l.weight.panels()}, x, groups, rows, g, y);
}

}  // namespace zoft::inline ZOFT_ISA::nn
