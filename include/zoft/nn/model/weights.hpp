/// A decoder's weights, and a walk over them by Hugging Face's names.
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

namespace zoft::inline ZOFT_ISA::nn {

/// The names that adapters use for what is outside the blocks. A tied head has the name of the embedding.
inline constexpr const char *embedding_name = "model.embed_tokens", *final_norm_name = "model.norm",
                            *head_name = "lm_head";

/// x += o(attention(qkv(norm(x)))), x += down(swiglu(gate_up(norm(x)))): pre-norm, as in Llama.
struct block {
  std::vector<float> attention_norm, mlp_norm;
  linear qkv, output, gate_up, down;
  std::string attention = {}, attention_norm_name = {}, mlp_norm_name = {};  ///< names, as adapters use them
};

struct weights {
  packed_matrix embedding;  ///< (vocabulary, dim), and also the head if that is tied
  std::vector<block> blocks;
  std::vector<float> final_norm;
  packed_matrix head;  ///< (vocabulary, dim), empty if tied

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
    const auto all_of_vector = [&](const std::string& name, auto& v) { f(name + ".weight", v, 0, v.size()); };
    const auto all_of_matrix = [&](const std::string& name, auto& m) { f(name + ".weight", m, 0, m.out()); };
    all_of_matrix(embedding_name, self.embedding);
    for (auto& b : self.blocks) {
      all_of_vector(b.attention_norm_name, b.attention_norm);
      all_of(b.qkv);
      all_of(b.output);
      all_of_vector(b.mlp_norm_name, b.mlp_norm);
      all_of(b.gate_up);
      all_of(b.down);
    }
    all_of_vector(final_norm_name, self.final_norm);
    if (!self.has_tied_head()) all_of_matrix(head_name, self.head);
  }
};

}  // namespace zoft::inline ZOFT_ISA::nn
