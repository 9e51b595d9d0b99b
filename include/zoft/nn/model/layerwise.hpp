/// Forwards at points around the weights, one layer at a time, so that no weight is written.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/weight_points.hpp"
#include "../../random/axpy.hpp"
#include "../kernel/thread_pool.hpp"
#include "decoder.hpp"
#include "task.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// The points of one direction, usually θ + ε·z and θ − ε·z, advance together. For each half of a block, W + scale·z is
/// made for all of them from one z, in memory for half a block each. Then all tokens pass through this half. Between
/// halves, only the residual streams are kept. So z is drawn once for each weight, except in the embedding, whose rows
/// are drawn when they are looked up.
///
/// W + scale·z is rounded to what W is kept as, so the numbers are bit for bit those of a model perturbed in place.
template <class Arch = simd::arch>
class layerwise {
 public:
  layerwise(const config& shape, const weights& w, const model_angles& angles, const thread_pool& pool,
            const weight_points<float>& points)
      : c_(shape), w_(w), run_(shape, w, angles), pool_(pool), points_(points), spaces_(pool.workers()) {
    std::uint64_t element = 0;
    w.for_each([&](const std::string&, const auto& at, std::size_t first, std::size_t rows) {
      const bool moves = points.moves[tensors_.size()];
      tensors_[{&at, first}] = {element, moves};
      element += rows * weights::columns(at);
    });
  }

  /// Scores (points, labels), with the labels of all tasks in order. Throws if rounding loses the first point that is
  /// not θ.
  std::vector<token_score> score(std::span<const task> tasks, std::size_t labels) {
    check_moves();
    std::vector<token_score> result(points_.size() * labels);
    std::vector<bool> done(points_.size(), false);
    for (std::size_t next = 0; next < points_.size(); ++next) {
      if (done[next]) continue;
      query_ = points_.points[next].query;
      std::vector<std::size_t> together;
      for (std::size_t i = next; i < points_.size(); ++i)
        if (points_.points[i].query == query_) {
          together.push_back(i);
          done[i] = true;
        }
      advance(tasks, together);
      for_each_score(tasks, [&](std::size_t i, std::size_t label, const token_score& score) {
        result[together[i] * labels + label] = score;
      });
    }
    return result;
  }

 private:
  struct place {
    std::uint64_t element = 0;  // index in the layout
    bool moves = false;
  };
  /// A point: the part of its weights that is in memory, and the residual stream of each task.
  struct candidate {
    float scale;
    block b;
    norm other_norm;  // one that stands outside the blocks
    linear project_in, head_dense, project_out;
    std::vector<float> head_bias;
    std::vector<std::vector<float>> streams, besides;  // of each task
  };
  /// Rows of a panel, which one thread makes for all candidates.
  struct rows_to_make {
    const packed_matrix* from;
    std::size_t first, rows;
    place of;  // of row `first`
    packed_matrix* (*matrix_of)(candidate&);
    std::size_t to;  // where the rows begin in that matrix
  };
  static constexpr std::size_t together_at_most = 8192;  // numbers of W, and of z, at a time

  /// Takes the candidates' streams from the tokens to the input of the final norm, at the tokens that predict a label.
  void advance(std::span<const task> tasks, std::span<const std::size_t> together) {
    candidates_.resize(together.size());
    for (std::size_t i = 0; i < together.size(); ++i) {
      candidates_[i].scale = static_cast<float>(points_.points[together[i]].scale);
      candidates_[i].streams.resize(tasks.size());
      candidates_[i].besides.resize(tasks.size());
    }
    make(
        w_.project_in, [](candidate & c) -> auto& { return c.project_in; });
    make_rows();
    pool_.run(tasks.size(), [&](std::size_t t, std::size_t) { embed(tasks[t], t); });
    norm_streams(tasks, w_.embedding_norm);
    for (const block& b : w_.blocks) {
      const auto layer = static_cast<std::size_t>(&b - w_.blocks.data());
      const bool last = &b == &w_.blocks.back();
      for (const auto member : block::norms_of_attention) make(b.*member, member);
      make(
          b.qkv, [](candidate & c) -> auto& { return c.b.qkv; });
      make(
          b.output, [](candidate & c) -> auto& { return c.b.output; });
      make_rows();
      for_each_stream(tasks, [&](const task& t, candidate& c, workspace& s) {
        std::vector<std::size_t> all(last ? 0 : t.tokens.size());
        std::iota(all.begin(), all.end(), std::size_t{0});
        run_.attend(c.b, layer, t.ends, last ? t.predicting : all, s);
      });
      exchange_halves();
      for (const auto member : block::norms_of_mlp) make(b.*member, member);
      make(
          b.gate_up, [](candidate & c) -> auto& { return c.b.gate_up; });
      make(
          b.down, [](candidate & c) -> auto& { return c.b.down; });
      make_rows();
      for_each_stream(tasks, [&](const task&, candidate& c, workspace& s) { run_.transform(c.b, s); });
      exchange_halves();
    }
  }

  /// Applies a norm that stands outside the blocks to all streams.
  void norm_streams(std::span<const task> tasks, const norm& n) {
    if (n.empty()) return;
    make(
        n, [](candidate & c) -> auto& { return c.other_norm; });
    for_each_stream(tasks,
                    [&](const task&, candidate& c, workspace& s) { run_.head().apply_norm(c.other_norm, s.stream); });
  }

  /// The two halves of a block use the same memory for their matrices.
  void exchange_halves() {
    for (candidate& c : candidates_) {
      std::swap(c.b.qkv.weight, c.b.gate_up.weight);
      std::swap(c.b.output.weight, c.b.down.weight);
    }
  }

  /// Calls f(i, label, score) for candidate i's score at each label. The head is made one block of the vocabulary at a
  /// time, in the memory of qkv.
  template <class F>
  void for_each_score(std::span<const task> tasks, F f) {
    norm_streams(tasks, w_.final_norm);
    make(
        w_.head_dense, [](candidate & c) -> auto& { return c.head_dense; });
    make(
        w_.project_out, [](candidate & c) -> auto& { return c.project_out; });
    make_rows();
    make(
        w_.head_norm, [](candidate & c) -> auto& { return c.other_norm; });
    for_each_stream(tasks, [&](const task&, candidate& c, workspace& s) {
      run_.head().transform_for_head(c.head_dense, c.other_norm, c.project_out, s.stream, s.branch);
    });
    if (!w_.head_bias.empty())
      make(
          w_.head_bias, [](candidate & c) -> auto& { return c.head_bias; });
    std::vector<std::vector<running_cross_entropy>> running(tasks.size() * candidates_.size());
    for (std::size_t i = 0; i < running.size(); ++i)
      for (const std::int32_t label : tasks[i % tasks.size()].labels)
        running[i].emplace_back(static_cast<std::size_t>(label));
    const packed_matrix& w = w_.output();
    const std::size_t outputs = 1024 / w.width() * w.width();
    for (std::size_t first = 0; first < w.out(); first += outputs) {
      const std::size_t n = std::min(outputs, w.out() - first);
      const place of = tensors_.at({&w, 0});
      make(w, first, n, {of.element + first * w.in(), of.moves},
           [](candidate& c) -> packed_matrix* { return &c.b.qkv.weight; });
      make_rows();
      for_each_stream(tasks, [&](const task& t, candidate& c, workspace& s) {
        s.logits.resize(t.labels.size() * n);
        matmul<Arch>(rows_of<const float>{s.stream.data(), w.in()}, t.labels.size(), c.b.qkv.weight,
                     rows_of<float>{s.logits.data(), n});
        run_.head().finish_logits(s.logits, c.head_bias, n, first);
        const std::size_t index = static_cast<std::size_t>(&c - candidates_.data()) * tasks.size() +
                                  static_cast<std::size_t>(&t - tasks.data());
        for (std::size_t row = 0; row < t.labels.size(); ++row) {
          const std::span<float> own(s.logits.data() + row * n, n);
          leave_only(t.among, own, first);
          running[index][row].template add<Arch>(own, first);
        }
      });
    }
    for (std::size_t i = 0; i < candidates_.size(); ++i)
      for (std::size_t t = 0; t < tasks.size(); ++t)
        for (std::size_t row = 0; row < tasks[t].labels.size(); ++row)
          f(i, tasks[t].first_label + row, running[i * tasks.size() + t][row].result());
  }

  /// Calls f(task, candidate, s) for all tasks and candidates. s.stream is the candidate's stream of that task.
  template <class F>
  void for_each_stream(std::span<const task> tasks, F f) {
    pool_.run(tasks.size() * candidates_.size(), [&](std::size_t index, std::size_t worker) {
      const std::size_t t = index % tasks.size();
      if (tasks[t].labels.empty()) return;
      candidate& c = candidates_[index / tasks.size()];
      workspace& s = spaces_[worker];
      const auto exchange = [&] {
        s.stream.swap(c.streams[t]);
        s.beside.swap(c.besides[t]);
      };
      exchange();
      f(tasks[t], c, s);
      exchange();
    });
  }

  /// Looks up the embedding's rows for the task's tokens, for all candidates.
  void embed(const task& t, std::size_t index) {
    std::vector<float> row, z, moved;
    // Adds each candidate's version of a row of m to its stream's row for token i, or sets it.
    const auto look_up = [&](const packed_matrix& m, std::size_t at, std::size_t i, bool adds) {
      if (m.out() == 0) return;
      const std::size_t n = m.in();
      const place of = tensors_.at({&m, 0});
      row.resize(n);
      z.resize(n);
      m.row(at, row);
      draw({of.element + at * n, of.moves}, z);
      for (candidate& c : candidates_) {
        moved = row;
        move(c, of, moved, z);
        if (m.type() == dtype::bf16)
          for (float& value : moved) value = static_cast<float>(bfloat16(value));
        const std::span<float> x = std::span(c.streams[index]).subspan(i * n, n);
        if (adds)
          add<Arch>(x, moved);
        else
          std::copy(moved.begin(), moved.end(), x.begin());
      }
    };
    for (candidate& c : candidates_) c.streams[index].resize(t.tokens.size() * c_.row_dim());
    for (std::size_t i = 0; i < t.tokens.size(); ++i)
      look_up(w_.embedding, static_cast<std::size_t>(t.tokens[i]), i, false);
    for (candidate& c : candidates_) {
      if (c.project_in.weight.out() > 0) {
        apply<Arch>(c.project_in, {}, c.streams[index], 1, t.tokens.size(), {0, 1}, moved);
        c.streams[index].swap(moved);
      }
      scale<Arch>(c.streams[index], static_cast<float>(c_.embedding_scale));
    }
    for (std::size_t i = 0, sequence = 0, begin = 0; i < t.tokens.size(); ++i) {
      while (i >= t.ends[sequence]) begin = t.ends[sequence++];
      look_up(w_.token_types, 0, i, true);
      look_up(w_.positions, c_.first_position + i - begin, i, true);
    }
  }

  /// Makes the candidates' vectors, as a whole or part by part.
  template <class At>
  void make(const std::vector<float>& from, At at) {
    make(from, 0, from.size(), at);
  }
  template <class At>
  void make(const std::vector<float>& from, std::size_t first, std::size_t n, At at) {
    const place of = tensors_.at({&from, first});
    std::vector<float> z(n);
    draw(of, z);
    for (candidate& c : candidates_) {
      std::vector<float>& x = at(c);
      if (first == 0) x = from;
      move(c, of, std::span(x).subspan(first, n), z);
    }
  }

  /// Makes the candidates' norms: those at(c), or the block's own member.
  template <class At>
  void make(const norm& from, At at) {
    const auto of = [&](candidate& c) -> norm& {
      if constexpr (std::is_member_object_pointer_v<At>)
        return c.b.*at;
      else
        return at(c);
    };
    if (from.empty()) return;
    const std::size_t tensors = std::max<std::size_t>(1, from.own_heads), size = from.gain.size() / tensors;
    for (std::size_t i = 0; i < tensors; ++i)
      make(
          from.gain, i * size, size, [&](candidate & c) -> auto& { return of(c).gain; });
    if (from.own_heads > 0)
      for (candidate& c : candidates_) of(c).bias = from.bias;
    else if (!from.bias.empty())
      make(
          from.bias, [&](candidate & c) -> auto& { return of(c).bias; });
  }

  /// Makes the candidates' linears: biases at once, rows later in make_rows().
  template <class At>
  void make(const linear& from, At) {
    if (from.parts.empty()) return;
    for (candidate& c : candidates_) At{}(c).weight.reshape(from.weight.out(), from.weight.in(), from.weight.type());
    for (const linear::part& p : from.parts) {
      add_rows(
          from.weight, p.first, p.out, tensors_.at({&from.weight, p.first}),
          [](candidate& c) { return &At{}(c).weight; }, p.first);
      if (!from.bias.empty())
        make(
            from.bias, p.first, p.out, [](candidate & c) -> auto& { return At{}(c).bias; });
    }
  }

  /// Makes some rows of a matrix, as a matrix of their own for each candidate.
  void make(const packed_matrix& from, std::size_t first, std::size_t rows, place of,
            packed_matrix* (*matrix_of)(candidate&)) {
    for (candidate& c : candidates_) matrix_of(c)->reshape(rows, from.in(), from.type());
    add_rows(from, first, rows, of, matrix_of, 0);
  }

  void add_rows(const packed_matrix& from, std::size_t first, std::size_t rows, place of,
                packed_matrix* (*matrix_of)(candidate&), std::size_t to) {
    for (std::size_t row = 0, n; row < rows; row += n) {
      n = std::min(rows - row, from.width() - (first + row) % from.width());
      rows_.push_back({&from, first + row, n, {of.element + row * from.in(), of.moves}, matrix_of, to + row});
    }
  }

  /// Makes the rows that add_rows() has listed. Two threads may write to one panel, each to its own columns.
  void make_rows() {
    pool_.run(rows_.size(), [&](std::size_t index, std::size_t) {
      static thread_local std::vector<float> w, z, x;
      const rows_to_make& r = rows_[index];
      const std::size_t in = r.from->in(), most = std::max<std::size_t>(1, together_at_most / in);
      for (std::size_t row = 0, n; row < r.rows; row += n) {
        n = std::min(most, r.rows - row);
        w.resize(n * in);
        z.resize(n * in);
        r.from->read(r.first + row, w);
        draw({r.of.element + row * in, r.of.moves}, z);
        for (candidate& c : candidates_) {
          x = w;
          move(c, r.of, x, z);
          r.matrix_of(c)->assign(x, r.to + row);
        }
      }
    });
    rows_.clear();
  }

  /// Throws unless at least one weight in 100 moves, over the first rows of the blocks' matrices. Otherwise the
  /// measurement has little to do with z.
  void check_moves() {
    const auto p =
        std::find_if(points_.points.begin(), points_.points.end(), [](const point& q) { return q.scale != 0; });
    if (p == points_.points.end()) return;
    query_ = p->query;
    candidate there;
    there.scale = static_cast<float>(p->scale);
    std::size_t asked = 0, moved = 0;
    for (const block& b : w_.blocks)
      for (const linear* l : {&b.qkv, &b.output, &b.gate_up, &b.down}) {
        const place of = tensors_.at({&l->weight, 0});
        if (!of.moves) continue;
        std::vector<float> w(l->weight.in()), z(w.size());
        l->weight.row(0, w);
        draw(of, z);
        std::vector<float> x = w;
        move(there, of, x, z);
        packed_matrix kept = pack(x, 1, x.size(), l->weight.type());
        for (std::size_t i = 0; i < x.size(); ++i) {
          asked += z[i] != 0;
          moved += kept.at(0, i) != w[i];
        }
      }
    if (100 * moved < asked)
      fail("transformer: the radius is " + text(p->scale) +
           ", and must be larger: rounding to what weights are kept as leaves " + text(asked - moved) + " of " +
           text(asked) + " where they are");
  }

  /// z ← the direction's numbers from element `of` on, unless the tensor does not move.
  void draw(place of, std::span<float> z) const {
    if (of.moves) points_.noise(query_, of.element, z);
  }
  static void move(const candidate& c, place of, std::span<float> x, std::span<const float> z) {
    if (of.moves && c.scale != 0) random::axpy<float>(x, c.scale, z.data());
  }

  const config& c_;
  const weights& w_;
  decoder<Arch> run_;
  const thread_pool& pool_;
  const weight_points<float>& points_;
  std::vector<workspace> spaces_;
  std::map<std::pair<const void*, std::size_t>, place> tensors_;  // by address and first row there
  std::size_t query_ = 0;
  std::vector<candidate> candidates_;
  std::vector<rows_to_make> rows_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
