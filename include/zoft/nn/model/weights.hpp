/// A model's weights, and a walk over them by its family's names.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "../../core/executor.hpp"
#include "../../core/layout.hpp"
#include "../layer/linear.hpp"
#include "../layer/norm.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// One block of a model. Parts that a model does not have are empty. With n₁ … n₆ for its norms,
///
///     x = n₃(x + n₂(attention(n₁(x))))
///     x = n₆(x + n₅(down(activation(gate_up(n₄(x))))))
///
/// and in a parallel block both read the same x. Llama has n₁ and n₄ alone.
struct block {
  norm attention_norm, attention_added_norm, attention_stream_norm, mlp_norm, mlp_added_norm, mlp_stream_norm;
  linear qkv, output, gate_up, down;
  norm query_norm = {}, key_norm = {};
  std::string attention = {};  ///< its name, as adapters use it

  // The parts of its two halves, in the order of files.
  static constexpr norm block::*norms_of_attention[] = {&block::attention_norm, &block::query_norm, &block::key_norm,
                                                        &block::attention_added_norm, &block::attention_stream_norm};
  static constexpr norm block::*norms_of_mlp[] = {&block::mlp_norm, &block::mlp_added_norm, &block::mlp_stream_norm};
};

struct weights {
  std::string embedding_name = "model.embed_tokens", head_name = "lm_head";
  packed_matrix embedding;  ///< (vocabulary, row_dim), and also the head if that is tied
  std::string positions_name = {}, token_types_name = {};
  packed_matrix positions = {}, token_types = {};  ///< (rows, dim), added to the embedding; empty if there are none
  linear project_in = {}, project_out = {};  ///< between the embedding's rows and the stream, if their widths differ
  norm embedding_norm = {};
  std::vector<block> blocks;
  norm final_norm;
  linear pooler = {};
  linear head_dense = {};  ///< before the head: head_norm(activation(head_dense(x)))
  norm head_norm = {};
  packed_matrix head;  ///< (vocabulary, dim), empty if tied
  std::vector<float> head_bias = {};
  std::string head_bias_name = {};

  bool has_tied_head() const { return head.out() == 0; }
  const packed_matrix& output() const { return has_tied_head() ? embedding : head; }

  /// Calls f(name, at, first, rows) for every tensor, in Hugging Face's order. The tensor is rows [first, first + rows)
  /// of `at` if that is a packed_matrix, and as many numbers of it if it is a vector.
  template <class F>
  void for_each(F f) {
    visit(*this, f);
  }
  template <class F>
  void for_each(F f) const {
    visit(*this, f);
  }

  /// Calls f(norm) for every norm that the model has.
  template <class F>
  void for_each_norm(F f) {
    const auto each = [&](norm& n) {
      if (!n.empty()) f(n);
    };
    each(embedding_norm);
    for (block& b : blocks) {
      for (const auto member : block::norms_of_attention) each(b.*member);
      for (const auto member : block::norms_of_mlp) each(b.*member);
    }
    each(final_norm);
    each(head_norm);
  }

  /// The tensors as parts of one buffer.
  zoft::layout layout() const {
    zoft::layout result;
    for_each([&](const std::string& name, const auto& at, std::size_t, std::size_t rows) {
      result.add(name, rows, columns(at));
    });
    return result;
  }

  /// What each tensor of the layout is kept as.
  std::vector<dtype> types() const {
    std::vector<dtype> result;
    for_each([&](const std::string&, const auto& at, std::size_t, std::size_t) {
      if constexpr (requires { at.type(); })
        result.push_back(at.type());
      else
        result.push_back(dtype::f32);
    });
    return result;
  }

  /// Calls f(name, matrix, first, rows) for every tensor that is a matrix, in the same order. Throws if one is not kept
  /// as i8.
  template <class Self, class F>
  static void for_each_coded(Self& self, F f) {
    self.for_each([&](const std::string& name, auto& at, std::size_t first, std::size_t rows) {
      if constexpr (requires { at.type(); }) {
        if (at.type() != dtype::i8)
          fail("transformer: '" + name + "' is kept as " + std::string(name_of(at.type())) +
               ", and must be I8 to be had as codes: load the model so");
        f(name, at, first, rows);
      }
    });
  }

  /// Throws if a tensor is not kept as f32 or bf16, because codes would lose most of an update.
  void check_trainable() const {
    for_each([](const std::string& name, const auto& at, std::size_t, std::size_t) {
      if constexpr (requires { at.type(); })
        if (at.type() != dtype::f32 && at.type() != dtype::bf16)
          fail("transformer: '" + name + "' is kept as " + std::string(name_of(at.type())) +
               ", and must be F32 or BF16 to be trained: load the model so");
    });
  }

  /// What is done with a piece of the weights. Its type is one, so that the walk below is compiled once.
  using change = std::function<void(std::uint64_t first, std::span<float> w)>;

  /// Calls f(first, w) for pieces w of each tensor i with moves[i], then rounds w to what the tensor is kept as. The
  /// piece's elements are the layout's from `first` on. If `threads` has one worker, the pieces come in order. Throws
  /// as above, before anything is changed.
  template <executor Executor>
  void update(const Executor& threads, const std::vector<bool>& moves, const change& f) {
    check_trainable();
    std::size_t index = 0;
    std::uint64_t element = 0;
    for_each([&](const std::string&, auto& at, std::size_t first, std::size_t rows) {
      const std::size_t width = columns(at), together = rows_together(at);
      // Pieces end where panels do, so no two share a word.
      const std::size_t begin = first / together, end = (first + rows - 1) / together + 1;
      if (moves[index])
        threads.run(end - begin, [&](std::size_t task, std::size_t) {
          const std::size_t from = std::max(first, (begin + task) * together);
          static thread_local std::vector<float> piece;
          piece.resize((std::min(first + rows, (begin + task + 1) * together) - from) * width);
          read(at, from, piece);
          f(element + (from - first) * width, std::span<float>(piece));
          write(at, from, piece);
        });
      element += rows * width;
      ++index;
    });
  }

  static std::size_t columns(const packed_matrix& m) { return m.in(); }
  static std::size_t columns(const std::vector<float>&) { return 1; }
  static void read(const packed_matrix& m, std::size_t first, std::span<float> to) { m.read(first, to); }
  static void read(const std::vector<float>& v, std::size_t first, std::span<float> to) {
    std::copy_n(v.data() + first, to.size(), to.data());
  }
  static void write(packed_matrix& m, std::size_t first, std::span<const float> from) { m.assign(from, first); }
  static void write(std::vector<float>& v, std::size_t first, std::span<const float> from) {
    std::copy(from.begin(), from.end(), v.data() + first);
  }

 private:
  /// The number of rows of a panel.
  static std::size_t rows_together(const packed_matrix& m) { return m.width(); }
  static std::size_t rows_together(const std::vector<float>& v) { return v.size(); }

  template <class Self, class F>
  static void visit(Self& self, F& f) {
    const auto all_of = [&](auto& l) {
      for (const linear::part& p : l.parts) {
        f(p.name + ".weight", l.weight, p.first, p.out);
        if (!l.bias.empty()) f(p.name + ".bias", l.bias, p.first, p.out);
      }
    };
    const auto all_of_norm = [&](auto& n) {
      const std::size_t heads = n.own_heads, size = heads == 0 ? 0 : n.gain.size() / heads;
      for (std::size_t h = 0; h < heads; ++h) f(head_norm_name(n.name, h), n.gain, h * size, size);
      if (n.empty() || heads > 0) return;
      f(n.name + ".weight", n.gain, 0, n.gain.size());
      if (!n.bias.empty()) f(n.name + ".bias", n.bias, 0, n.bias.size());
    };
    const auto all_of_matrix = [&](const std::string& name, auto& m) {
      if (m.out() > 0) f(name + ".weight", m, 0, m.out());
    };
    all_of_matrix(self.embedding_name, self.embedding);
    all_of_matrix(self.positions_name, self.positions);
    all_of_matrix(self.token_types_name, self.token_types);
    all_of(self.project_in);
    all_of_norm(self.embedding_norm);
    for (auto& b : self.blocks) {
      all_of_norm(b.attention_norm);
      all_of(b.qkv);
      all_of_norm(b.query_norm);
      all_of_norm(b.key_norm);
      all_of(b.output);
      all_of_norm(b.attention_added_norm);
      all_of_norm(b.attention_stream_norm);
      all_of_norm(b.mlp_norm);
      all_of(b.gate_up);
      all_of(b.down);
      all_of_norm(b.mlp_added_norm);
      all_of_norm(b.mlp_stream_norm);
    }
    all_of_norm(self.final_norm);
    all_of(self.project_out);
    all_of(self.pooler);
    all_of(self.head_dense);
    all_of_norm(self.head_norm);
    all_of_matrix(self.head_name, self.head);
    if (!self.head_bias.empty()) f(self.head_bias_name, self.head_bias, 0, self.head_bias.size());
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn
