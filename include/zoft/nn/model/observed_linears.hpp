/// What a forward of a model shows to a sampler: rows of its linears' inputs, and surrogates of the gradients of
/// outputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "../../core/observations.hpp"
#include "../../random/chosen.hpp"
#include "decoder.hpp"
#include "task.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Fills in observations, one sequence after another. Shown are tokens that predict a label; if there are fewer of them
/// than rows, then others too.
///
/// The gradient d of the loss at the last hidden state is exact: softmax − one-hot, times the head, through the final
/// norm. It is handed down the residual stream as if blocks were the identity. So the surrogates are
///
///     o_proj, down_proj    d, through a norm that follows
///     gate_proj, up_proj   that·W_down, through the activation of the token
///     the head             softmax − one-hot: exact
///     q, k, v              none
///
/// In the last block those of the MLP are exact up to a factor, unless it is followed by a norm of the stream; so is
/// that of o_proj, if the block is parallel. Further down, d is less and less like the true gradient.
template <class Arch = simd::arch>
class linear_observer {
 public:
  linear_observer(const config& c, const weights& w, const layout& linears, observations& seen)
      : c_(c), w_(w), seen_(seen), blocks_(w.blocks.size()) {
    // Entries are added before any is pointed to.
    const auto wanted = [&](const linear& l) {
      return std::any_of(l.parts.begin(), l.parts.end(), [&](const auto& p) { return seen.wants(p.name); });
    };
    std::vector<bool> shown;
    const auto add = [&](const linear& l, bool is_shown, bool keeps_outputs) {
      shown.push_back(is_shown);
      if (!is_shown) return;
      std::vector<observations::part> parts;
      for (const linear::part& p : l.parts) parts.push_back({p.name, p.first, p.out});
      seen.add(l.weight.in(), std::move(parts), keeps_outputs && seen.wants_gradients());
    };
    const std::size_t before = seen.entries().size();
    for (const block& b : w.blocks) {
      const bool normed = !b.mlp_added_norm.empty();
      add(b.qkv, wanted(b.qkv), false);
      add(b.output, wanted(b.output), !b.attention_added_norm.empty());
      add(b.gate_up, wanted(b.gate_up), true);
      add(b.down, wanted(b.down) || (normed && wanted(b.gate_up)), normed);
    }
    const std::string& head = w.has_tied_head() ? w.embedding_name : w.head_name;
    if (seen.wants(head)) head_ = &seen.add(head, w.output().in(), w.output().out(), seen.wants_gradients());
    if (seen.entries().size() == before)
      fail("transformer: linears are to be shown, and what is trained is none: it has '" + linears.begin()->name +
           "' for instance");
    std::size_t which = 0;
    auto next = seen.entries().begin() + static_cast<std::ptrdiff_t>(before);
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      for (observations::entry* shown_block::*of :
           {&shown_block::qkv, &shown_block::output, &shown_block::gate_up, &shown_block::down})
        blocks_[i].*of = shown[which++] ? &*next++ : nullptr;
    if (head_ != nullptr) head_ = &seen.entries().back();
    if (seen.wants_gradients()) at_the_end_ = std::make_shared<std::vector<float>>(seen.slots() * c.dim);
  }

  /// Chooses the rows of sequence i of the batch, and where they are shown: the place of each of its tokens.
  std::vector<std::vector<std::size_t>> choose(const std::vector<task>& of) const {
    std::vector<std::vector<std::size_t>> result;
    std::vector<std::size_t> begins{0};
    for (const task& t : of) {
      result.emplace_back(t.tokens.size(), shown_block::nowhere);
      begins.push_back(begins.back() + t.tokens.size());
    }
    const std::size_t examples = seen_.examples();
    for (std::size_t e = 0; e < examples; ++e) {
      std::vector<std::size_t> predicting, others;
      for (std::size_t i = 0; i < of.size(); ++i) {
        if (examples > 1 && i != e) continue;
        std::size_t next = 0;
        for (std::size_t t = 0; t < of[i].tokens.size(); ++t) {
          const bool predicts = next < of[i].predicting.size() && of[i].predicting[next] == t;
          next += predicts;
          (predicts ? predicting : others).push_back(begins[i] + t);
        }
      }
      direction d = seen_.step();
      d.query = static_cast<std::uint32_t>(e);
      const auto rows = random::chosen(d, random::stream::rows, predicting, others, seen_.rows());
      for (std::size_t row = 0; row < rows.size(); ++row) {
        const auto after = std::upper_bound(begins.begin(), begins.end(), rows[row]) - 1;
        const auto i = static_cast<std::size_t>(after - begins.begin());
        result[i][rows[row] - begins[i]] = seen_.slot(e, row);
      }
    }
    return result;
  }

  /// What a forward of this sequence is to show.
  observation watch(std::span<const std::size_t> slots) {
    for (shown_block& b : blocks_) b.slots = slots;
    return {.key_scores = {}, .blocks = blocks_};
  }

  /// Called with the last hidden state of the tokens that predict a label: stream (labels, dim).
  void finish(const task& t, std::span<const std::size_t> slots, std::span<const float> stream) {
    among_ = t.among;
    for (std::size_t i = 0; i < t.predicting.size(); ++i) {
      const std::size_t slot = slots[t.predicting[i]];
      if (slot == shown_block::nowhere) continue;
      predicting_.push_back(slot);
      labels_.push_back(static_cast<std::size_t>(t.labels[i]));
      const std::span<const float> h = stream.subspan(i * c_.dim, c_.dim);
      hidden_.insert(hidden_.end(), h.begin(), h.end());
    }
  }

  /// Called behind the last sequence: makes the surrogates.
  void finish(const decoder<Arch>& run) {
    if (predicting_.empty()) return;
    std::vector<float> x = hidden_, scratch;
    run.head().apply_norm(w_.final_norm, x);
    run.head().transform_for_head(w_.head_dense, w_.head_norm, w_.project_out, x, scratch);
    if (!seen_.wants_gradients()) {
      for (std::size_t row = 0; head_ != nullptr && row < predicting_.size(); ++row)
        std::copy_n(x.data() + row * head_->in, head_->in, head_->input(predicting_[row]).data());
      return;
    }
    std::vector<float> d = head_gradients(x, run);
    if (w_.project_out.weight.out() > 0) d = back(d, w_.project_out.weight);
    back_through(w_.final_norm, hidden_, d);
    for (std::size_t i = 0; i < predicting_.size(); ++i)
      std::copy_n(d.data() + i * c_.dim, c_.dim, at_the_end_->data() + predicting_[i] * c_.dim);
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const block& b = w_.blocks[i];
      if (blocks_[i].output != nullptr) guide(b.attention_added_norm, *blocks_[i].output);
      if (blocks_[i].down != nullptr) guide(b.mlp_added_norm, *blocks_[i].down);
      if (blocks_[i].gate_up != nullptr)
        guide_gates(b, blocks_[i].down == nullptr ? *at_the_end_ : *blocks_[i].down->gradients, *blocks_[i].gate_up);
    }
  }

 private:
  /// d, through a norm that the outputs pass before they are added to the stream. If there is one, they stand in the
  /// place of the gradients.
  void guide(const norm& n, observations::entry& to) const {
    if (n.empty()) {
      to.gradients = at_the_end_;
      return;
    }
    std::vector<float> d = *at_the_end_;
    back_through(n, *to.gradients, d);
    *to.gradients = std::move(d);
  }

  /// The outputs of gate and up, which stand in the place of their gradients, -> these. after: gradients of what down
  /// gives (slots, dim)
  void guide_gates(const block& b, const std::vector<float>& after, observations::entry& to) const {
    const std::size_t hidden = c_.hidden;
    const std::vector<float> d = back(after, b.down.weight);
    std::vector<float> slope(hidden), value(hidden);
    for (std::size_t s = 0; s < seen_.slots(); ++s) {
      const std::span<float> y = to.gradient(s);
      const std::span<const float> own = std::span(d).subspan(s * hidden, hidden);
      slopes(y.first(hidden), slope);
      if (c_.gated()) activate<Arch>(c_.act, y.first(hidden), value);
      for (std::size_t j = 0; j < hidden; ++j) {
        y[j] = own[j] * slope[j] * (c_.gated() ? y[hidden + j] : 1.0f);
        if (c_.gated()) y[hidden + j] = own[j] * value[j];
      }
    }
  }

  /// f′(x) of the activation, by a central difference: it is a surrogate's, whose slope is measured.
  void slopes(std::span<const float> x, std::span<float> y) const {
    constexpr float step = 0x1p-6f;
    std::vector<float> above(x.begin(), x.end()), below = above;
    for (std::size_t i = 0; i < x.size(); ++i) {
      above[i] += step;
      below[i] -= step;
    }
    activate<Arch>(c_.act, above, above);
    activate<Arch>(c_.act, below, below);
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = (above[i] - below[i]) / (2 * step);
  }

  /// x (rows, out) -> x·W (rows, in), for W (out, in): what a linear's gradient by its output is by its input. W is
  /// transposed some outputs at a time.
  std::vector<float> back(const std::vector<float>& x, const packed_matrix& w) const {
    const std::size_t rows = x.size() / w.out();
    std::vector<float> result(rows * w.in());
    for (std::size_t first = 0; first < w.out(); first += outputs)
      add_back({x.data() + first, w.out()}, rows, w, first, std::min(outputs, w.out() - first), result);
    return result;
  }

  /// y (rows, in) += x (rows, n) · rows [first, first + n) of W
  void add_back(rows_of<const float> x, std::size_t rows, const packed_matrix& w, std::size_t first, std::size_t n,
                std::span<float> y) const {
    constexpr std::size_t tile = 16;
    std::vector<float> some(n * w.in()), turned(n * w.in());
    w.read(first, some);
    for (std::size_t o = 0; o < n; o += tile)
      for (std::size_t i = 0; i < w.in(); ++i)
        for (std::size_t k = o; k < std::min(n, o + tile); ++k) turned[i * n + k] = some[k * w.in() + i];
    const packed_matrix packed = pack(turned, w.in(), n, w.type() == dtype::f32 ? dtype::f32 : dtype::bf16);
    matmul<Arch>(x, rows, packed, rows_of<float>{y.data(), w.in()}, true);
  }

  /// x (rows, in), the input of the head -> ∂(−ln p(label))/∂x. Fills in the head's entry.
  std::vector<float> head_gradients(std::span<const float> x, const decoder<Arch>& run) const {
    const packed_matrix& w = w_.output();
    const std::size_t rows = labels_.size(), width = w.width(), panels = outputs / width;
    std::vector<float> logits, result(rows * w.in());
    std::vector<double> greatest(rows, -std::numeric_limits<double>::infinity()), sum(rows);
    for (std::size_t row = 0; head_ != nullptr && row < rows; ++row)
      std::copy_n(x.data() + row * w.in(), w.in(), head_->input(predicting_[row]).data());
    // Twice over the vocabulary: for the sum of exponentials, and then for the gradients.
    for (const bool second : {false, true})
      for (std::size_t p = 0; p < w.panels(); p += panels) {
        const panel_range range{p, std::min(panels, w.panels() - p)};
        const std::size_t first = p * width, n = std::min(range.count * width, w.out() - first);
        logits.resize(rows * n);
        matmul<Arch>({x.data(), w.in()}, rows, w, range, rows_of<float>{logits.data(), n});
        run.head().finish_logits(logits, w_.head_bias, n, first);
        for (std::size_t row = 0; row < rows; ++row) {
          const std::span<float> own = std::span(logits).subspan(row * n, n);
          if (second && head_ != nullptr)
            for (const float z : own) head_->squares[predicting_[row]] += double{z} * double{z};
          leave_only(among_, own, first);
          if (!second) {
            const double most = std::max(greatest[row], double{*std::max_element(own.begin(), own.end())});
            if (most == -std::numeric_limits<double>::infinity()) continue;
            sum[row] *= std::exp(greatest[row] - most);
            for (const float z : own) sum[row] += std::exp(double{z} - most);
            greatest[row] = most;
            continue;
          }
          for (std::size_t i = 0; i < n; ++i) {
            const double z = own[i], cap = c_.logit_cap;
            double slope = std::exp(z - greatest[row]) / sum[row] - (labels_[row] == first + i ? 1.0 : 0.0);
            if (cap > 0 && std::isfinite(z)) slope *= 1 - z / cap * (z / cap);
            own[i] = static_cast<float>(slope);
          }
          if (head_ != nullptr) std::copy(own.begin(), own.end(), head_->gradient(predicting_[row]).data() + first);
        }
        if (second) add_back({logits.data(), n}, rows, w, first, n, result);
      }
    return result;
  }

  /// d (rows, dim), by what a norm gives -> by its input h
  void back_through(const norm& n, std::span<const float> h, std::span<float> d) const {
    if (n.empty()) return;
    const std::size_t dim = n.gain.size();
    const auto count = static_cast<double>(dim);
    const bool centred = c_.norm != norm_kind::rms;
    for (std::size_t at = 0; at < d.size(); at += dim) {
      double mean = 0, square = 0, along = 0, across = 0;
      for (std::size_t i = 0; i < dim; ++i) mean += centred ? h[at + i] / count : 0.0;
      for (std::size_t i = 0; i < dim; ++i) square += (h[at + i] - mean) * (h[at + i] - mean) / count;
      const double r = 1 / std::sqrt(square + c_.norm_epsilon);
      for (std::size_t i = 0; i < dim; ++i) {
        const double g = double{d[at + i]} * double{n.gain[i]};
        along += g * (h[at + i] - mean) * r / count;
        across += centred ? g / count : 0.0;
      }
      for (std::size_t i = 0; i < dim; ++i) {
        const double g = double{d[at + i]} * double{n.gain[i]};
        d[at + i] = static_cast<float>(r * (g - across - along * (h[at + i] - mean) * r));
      }
    }
  }

  static constexpr std::size_t outputs = 256;  // of W at a time

  const config& c_;
  const weights& w_;
  observations& seen_;
  std::vector<shown_block> blocks_;
  observations::entry* head_ = nullptr;
  // Of the shown tokens that predict a label: their slots, labels, and last hidden states.
  std::vector<std::size_t> predicting_, labels_;
  std::vector<float> hidden_;
  std::span<const std::int32_t> among_;
  std::shared_ptr<std::vector<float>> at_the_end_;  // d of all slots (slots, dim)
};

}  // namespace zoft::inline ZOFT_ISA::nn
