/// What a forward of a model shows to a sampler: rows of its linears' inputs, and surrogates of the gradients of outputs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
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
///     o_proj, down_proj    d, times the gain of a norm that follows
///     gate_proj, up_proj   d·W_down, through the activation of the token: exact, given d
///     the head             softmax − one-hot: exact
///     q, k, v              none
///
/// In the last block all of these are exact; further down d is less and less like the true gradient.
template <class Arch = simd::arch>
class linear_observer {
 public:
  linear_observer(const config& c, const weights& w, const layout& linears, observations& seen)
      : c_(c), w_(w), seen_(seen), blocks_(w.blocks.size()) {
    // Entries are added before any is pointed to.
    std::vector<std::size_t> counts;
    const auto add = [&](const linear& l) {
      const bool wanted = std::any_of(l.parts.begin(), l.parts.end(), [&](const auto& p) { return seen.wants(p.name); });
      counts.push_back(wanted);
      if (!wanted) return;
      std::vector<observations::part> parts;
      for (const linear::part& p : l.parts) parts.push_back({p.name, p.first, p.out});
      seen.add(l.weight.in(), std::move(parts));
    };
    const std::size_t before = seen.entries().size();
    for (const block& b : w.blocks)
      for (const linear* l : {&b.qkv, &b.output, &b.gate_up, &b.down}) add(*l);
    const std::string& head = w.has_tied_head() ? w.embedding_name : w.head_name;
    if (seen.wants(head)) head_ = &seen.add(head, w.output().in(), w.output().out(), true);
    if (seen.entries().size() == before)
      fail("transformer: linears are to be shown, and what is trained is none: it has '" + linears.begin()->name +
           "' for instance");
    auto next = seen.entries().begin() + static_cast<std::ptrdiff_t>(before);
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      for (observations::entry* shown_block::*of :
           {&shown_block::qkv, &shown_block::output, &shown_block::gate_up, &shown_block::down})
        blocks_[i].*of = counts[4 * i + static_cast<std::size_t>(index_of(of))] ? &*next++ : nullptr;
    if (head_ != nullptr) head_ = &seen.entries().back();
    at_the_end_.resize(seen.slots() * c.dim);
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
  void finish(const task& t, std::span<const std::size_t> slots, std::span<const float> stream,
              const decoder<Arch>& run) {
    std::vector<std::size_t> shown, which;
    for (std::size_t i = 0; i < t.predicting.size(); ++i)
      if (slots[t.predicting[i]] != shown_block::nowhere) {
        shown.push_back(slots[t.predicting[i]]);
        which.push_back(i);
      }
    const std::size_t n = shown.size(), dim = c_.dim;
    if (n == 0) return;
    std::vector<float> h(n * dim), scratch;
    gather(stream.data(), 1, t.predicting.size(), dim, which, dim, h.data());
    std::vector<float> x = h;
    run.head().apply_norm(w_.final_norm, x);
    run.head().transform_for_head(w_.head_dense, w_.head_norm, w_.project_out, x, scratch);
    std::vector<std::size_t> labels;
    for (const std::size_t i : which) labels.push_back(static_cast<std::size_t>(t.labels[i]));
    std::vector<float> d = head_gradients(x, labels, shown, t.among, run);
    if (w_.project_out.weight.out() > 0) d = back(d, w_.project_out.weight);
    back_through_final_norm(h, d);
    for (std::size_t i = 0; i < n; ++i) std::copy_n(d.data() + i * dim, dim, at_the_end_.data() + shown[i] * dim);
  }

  /// Called behind the last sequence: makes the surrogates.
  void finish() {
    const std::size_t slots = seen_.slots(), hidden = c_.hidden;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const block& b = w_.blocks[i];
      const shown_block& to = blocks_[i];
      if (to.output != nullptr) to.output->gradients = times_gain(b.attention_added_norm);
      if (to.down != nullptr) to.down->gradients = times_gain(b.mlp_added_norm);
      if (to.gate_up == nullptr) continue;
      const std::vector<float> d = back(times_gain(b.mlp_added_norm), b.down.weight);
      std::vector<float>& g = to.gate_up->gradients;
      g.assign(slots * to.gate_up->out, 0.0f);
      std::vector<float> slope(hidden), value(hidden);
      for (std::size_t s = 0; s < slots; ++s) {
        const std::span<const float> y = to.gate_up->output(s), own = std::span(d).subspan(s * hidden, hidden);
        const std::span<float> made = to.gate_up->gradient(s);
        slopes(y.first(hidden), slope);
        for (std::size_t j = 0; j < hidden; ++j) made[j] = own[j] * slope[j] * (c_.gated() ? y[hidden + j] : 1.0f);
        if (!c_.gated()) continue;
        activate<Arch>(c_.act, y.first(hidden), value);
        for (std::size_t j = 0; j < hidden; ++j) made[hidden + j] = own[j] * value[j];
      }
    }
  }

 private:
  static int index_of(observations::entry* shown_block::*of) {
    return of == &shown_block::qkv ? 0 : of == &shown_block::output ? 1 : of == &shown_block::gate_up ? 2 : 3;
  }

  /// d at the end of all shown tokens, times the gain of a norm that what is added passes; a norm's other effects are
  /// left out.
  std::vector<float> times_gain(const norm& n) const {
    std::vector<float> result = at_the_end_;
    if (!n.empty())
      for (std::size_t i = 0; i < result.size(); ++i) result[i] *= n.gain[i % n.gain.size()];
    return result;
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
    std::vector<float> some(n * w.in()), turned(n * w.in());
    w.read(first, some);
    for (std::size_t o = 0; o < n; ++o)
      for (std::size_t i = 0; i < w.in(); ++i) turned[i * n + o] = some[o * w.in() + i];
    const packed_matrix packed = pack(turned, w.in(), n, w.type() == dtype::f32 ? dtype::f32 : dtype::bf16);
    matmul<Arch>(x, rows, packed, rows_of<float>{y.data(), w.in()}, true);
  }

  /// x (rows, in), the input of the head -> ∂(−ln p(label))/∂x. Fills in the head's entry.
  std::vector<float> head_gradients(std::span<const float> x, std::span<const std::size_t> labels,
                                    std::span<const std::size_t> slots, std::span<const std::int32_t> among,
                                    const decoder<Arch>& run) const {
    const packed_matrix& w = w_.output();
    const std::size_t rows = labels.size(), width = w.width(), panels = outputs / width;
    std::vector<float> logits, result(rows * w.in());
    std::vector<double> greatest(rows, -std::numeric_limits<double>::infinity()), sum(rows);
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
          if (second && head_ != nullptr) std::copy(own.begin(), own.end(), head_->output(slots[row]).data() + first);
          leave_only(among, own, first);
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
            double slope = std::exp(z - greatest[row]) / sum[row] - (labels[row] == first + i ? 1.0 : 0.0);
            if (cap > 0 && std::isfinite(z)) slope *= 1 - z / cap * (z / cap);
            own[i] = static_cast<float>(slope);
          }
          if (head_ != nullptr) {
            std::copy(own.begin(), own.end(), head_->gradient(slots[row]).data() + first);
            std::copy_n(x.data() + row * w.in(), w.in(), head_->input(slots[row]).data());
          }
        }
        if (second) add_back({logits.data(), n}, rows, w, first, n, result);
      }
    return result;
  }

  /// d (rows, dim), by what the final norm gives -> by its input h
  void back_through_final_norm(std::span<const float> h, std::span<float> d) const {
    const norm& n = w_.final_norm;
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

  static constexpr std::size_t outputs = 1024;  // of W at a time

  const config& c_;
  const weights& w_;
  observations& seen_;
  std::vector<shown_block> blocks_;
  observations::entry* head_ = nullptr;
  std::vector<float> at_the_end_;  // d of all slots (slots, dim)
};

}  // namespace zoft::inline ZOFT_ISA::nn
