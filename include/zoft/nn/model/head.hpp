/// What follows the blocks of a model: norm, head, logits and their scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/model_config.hpp"
#include "../layer/cross_entropy.hpp"
#include "../layer/elementwise.hpp"
#include "../layer/norm.hpp"
#include "additions.hpp"
#include "block.hpp"
#include "workspace.hpp"

namespace zoft::inline ZOFT_ISA::nn {

template <class Arch = simd::arch>
class head_runner {
 public:
  /// All but the runner must outlive this.
  head_runner(const config& c, const weights& w, const block_runner<Arch>& runner, const end_additions& ends)
      : c_(c), w_(w), runner_(runner), ends_(ends) {}

  /// x (rows, dim) ← norm(x), unless there is no such norm.
  void apply_norm(const norm& n, std::span<float> x) const {
    if (!n.empty()) normalise<Arch>(c_.norm, n.gain, n.bias, c_.norm_epsilon, x, x);
  }

  /// x (rows, dim) ← head_norm(activation(head_dense(x))), unless the model has no such transform; then x (rows,
  /// row_dim) ← project_out(x), likewise.
  void transform_for_head(const linear& dense, const norm& n, const linear& project, std::vector<float>& x,
                          std::vector<float>& scratch) const {
    const std::size_t rows = x.size() / c_.dim;
    if (dense.weight.out() > 0) {
      nn::apply<Arch>(dense, {}, x, 1, rows, {0, 1}, scratch);
      activate<Arch>(c_.act, scratch, scratch);
      apply_norm(n, scratch);
      x.swap(scratch);
    }
    if (project.weight.out() > 0) {
      nn::apply<Arch>(project, {}, x, 1, rows, {0, 1}, scratch);
      x.swap(scratch);
    }
  }

  /// Products of the head -> logits (rows, n) of tokens [first, first + n), in place.
  void finish_logits(std::span<float> x, std::span<const float> bias, std::size_t n, std::size_t first) const {
    if (!bias.empty())
      for (std::size_t at = 0; at < x.size(); at += n) add<Arch>(x.subspan(at, n), bias.subspan(first, n));
    scale<Arch>(x, static_cast<float>(c_.logit_scale));
    soft_cap<Arch>(x, static_cast<float>(c_.logit_cap));
  }

  /// Logits of the stream: s.stream (1, rows, dim) -> s.logits (rows, vocabulary)
  void logits(workspace& s) const {
    final_rows({0, 1}, s);
    const packed_matrix& w = w_.output();
    nn::apply<Arch>(w, {}, ends_.head, {0, w.panels()}, s.normed, 1, s.normed.size() / w.in(), {0, 1}, s.logits);
    finish_logits(s.logits, w_.head_bias, w.out(), 0);
  }

  /// The stream after the final norm -> s.normed (groups, rows, dim), and then tanh(pooler(x)) if `through_pooler`.
  /// Returns the number of groups.
  std::size_t pool(bool through_pooler, group_range g, workspace& s) const {
    const std::size_t groups = runner_.read_norm(w_.final_norm, ends_.final_norm, g, s);
    if (!through_pooler) return groups;
    nn::apply<Arch>(w_.pooler, {}, s.normed, groups, s.normed.size() / groups / c_.dim, {0, groups}, s.branch);
    std::transform(s.branch.begin(), s.branch.end(), s.normed.begin(), [](float x) { return std::tanh(x); });
    return groups;
  }

  /// The score of each row of the stream: (s.groups, labels), or (g.count, labels) if the groups first differ here.
  /// Labels compete with the tokens `among` alone, in ascending order, or with all. The logits are computed one block
  /// of the vocabulary at a time.
  std::vector<token_score> scores(std::span<const std::int32_t> labels, std::span<const std::int32_t> among,
                                  workspace& s, group_range g) const {
    const std::size_t normed = final_rows(g, s);
    const packed_matrix& w = w_.output();
    const std::size_t rows = labels.size(), panels = 1024 / w.width();
    std::vector<running_cross_entropy> running;
    for (std::size_t p = 0; p < w.panels(); p += panels) {
      const panel_range range{p, std::min(panels, w.panels() - p)};
      const auto first_asked = std::lower_bound(among.begin(), among.end(), static_cast<std::int32_t>(p * w.width()));
      if (!among.empty() && !running.empty() &&
          (first_asked == among.end() || static_cast<std::size_t>(*first_asked) >= (p + range.count) * w.width()))
        continue;
      const std::size_t groups = nn::apply<Arch>(w, {}, ends_.head, range, s.normed, normed, rows, g, s.logits);
      for (std::size_t row = running.size(); row < groups * rows; ++row)
        running.emplace_back(static_cast<std::size_t>(labels[row % rows]));
      const std::size_t columns = s.logits.size() / running.size();
      finish_logits(s.logits, w_.head_bias, columns, p * w.width());
      for (std::size_t row = 0; row < running.size(); ++row) {
        const std::span<float> own(s.logits.data() + row * columns, columns);
        leave_only(among, own, p * w.width());
        running[row].template add<Arch>(own, p * w.width());
      }
    }
    std::vector<token_score> result;
    for (const running_cross_entropy& r : running) result.push_back(r.result());
    return result;
  }

 private:
  /// The input of the head -> s.normed. Returns the number of groups.
  std::size_t final_rows(group_range g, workspace& s) const {
    const std::size_t groups = runner_.read_norm(w_.final_norm, ends_.final_norm, g, s);
    transform_for_head(w_.head_dense, w_.head_norm, w_.project_out, s.normed, s.branch);
    return groups;
  }

  const config& c_;
  const weights& w_;
  block_runner<Arch> runner_;
  const end_additions& ends_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
