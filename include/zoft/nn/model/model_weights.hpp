/// The weights of a model as those see them who train or save them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "../../core/layout.hpp"
#include "../kernel/thread_pool.hpp"
#include "activation_cache.hpp"
#include "weights.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct load_options {
  dtype weights = dtype::f32;  ///< what matrices are kept as in memory. Norms and biases are always f32. With i4 and
                               ///< nf4, the embedding and the head are i8: they suffer most from few bits.
  std::size_t threads = 0;     ///< number of threads for forwards; 0 means as many as the machine has
  std::size_t activation_cache = 0;  ///< bytes of memory for caching the input of the first adapted block, for the
                                     ///< next scores or losses of the same sequence; 0 means no cache
};

/// What a model holds, and the ways to read and change its weights. Whatever changes them clears the activation cache.
class model_weights {
 public:
  /// All weights as one buffer, row-major, by Hugging Face's names, for training all of them.
  zoft::layout weights_layout() const { return w_.layout(); }
  std::vector<dtype> weight_types() const { return w_.types(); }  ///< what each of these tensors is kept as
  std::vector<float> weights() const {
    std::vector<float> result;
    w_.for_each([&](const std::string&, const auto& at, std::size_t first, std::size_t rows) {
      const std::size_t size = rows * nn::weights::columns(at);
      result.resize(result.size() + size);
      nn::weights::read(at, first, std::span(result).last(size));
    });
    return result;
  }
  /// Calls f(name, rows, columns, read) for each tensor of weights_layout(), in its order. read(first, to) widens its
  /// rows from `first` on, as many as `to` has room for. So they can be written without a copy of all of them.
  template <class F>
  void for_each_weight(F f) const {
    w_.for_each([&](const std::string& name, const auto& at, std::size_t first, std::size_t rows) {
      f(name, rows, nn::weights::columns(at),
        [&](std::size_t row, std::span<float> to) { nn::weights::read(at, first + row, to); });
    });
  }
  /// Sets all weights from the buffer. No forward may be running.
  void assign(std::span<const float> all) {
    const std::size_t size = weights_layout().size();
    require(all.size() == size, "transformer: " + text(all.size()) + " weights were given, and it has " + text(size));
    kept_.clear();
    w_.for_each([&](const std::string&, auto& at, std::size_t first, std::size_t rows) {
      const std::size_t n = rows * nn::weights::columns(at);
      nn::weights::write(at, first, all.first(n));
      all = all.subspan(n);
    });
  }

  /// The matrices of a model that is kept as i8, as zoft::quantised trains them: their names and shapes, their codes
  /// one after another, and the scale of each row. Norms and biases are f32 and not among them.
  zoft::layout codes_layout() const {
    zoft::layout result;
    nn::weights::for_each_coded(w_, [&](const std::string& name, const packed_matrix& m, std::size_t,
                                        std::size_t rows) { result.add(name, rows, m.in()); });
    return result;
  }
  std::vector<std::int8_t> codes() const {
    std::vector<std::int8_t> result;
    nn::weights::for_each_coded(w_,
                                [&](const std::string&, const packed_matrix& m, std::size_t first, std::size_t rows) {
                                  result.resize(result.size() + rows * m.in());
                                  m.read_codes(first, std::span(result).last(rows * m.in()));
                                });
    return result;
  }
  std::vector<float> scales() const {
    std::vector<float> result;
    nn::weights::for_each_coded(w_,
                                [&](const std::string&, const packed_matrix& m, std::size_t first, std::size_t rows) {
                                  for (std::size_t o = first; o < first + rows; ++o)
                                    result.push_back(m.scale_of_row(o));
                                });
    return result;
  }
  /// Sets the codes. The scales stay. No forward may be running.
  void assign(std::span<const std::int8_t> codes) {
    const std::size_t size = codes_layout().size();
    require(codes.size() == size, "transformer: " + text(codes.size()) + " codes were given, and it has " + text(size));
    kept_.clear();
    nn::weights::for_each_coded(w_, [&](const std::string&, packed_matrix& m, std::size_t first, std::size_t rows) {
      m.assign_codes(codes.first(rows * m.in()), first);
      codes = codes.subspan(rows * m.in());
    });
  }

  /// Changes the weights in place, one piece at a time: see weighted_model. No forward may be running.
  using weight_type = float;
  template <class F>
  void update_weights(const std::vector<bool>& moves, F f, bool together = false) {
    kept_.clear();
    const weights::change any = std::ref(f);
    if (together)
      w_.update(pool_, moves, any);
    else
      w_.update(serial{}, moves, any);
  }

 protected:
  explicit model_weights(const load_options& o) : pool_(o.threads), kept_(o.activation_cache) {}

  thread_pool pool_;
  nn::weights w_;
  mutable activation_cache kept_;  // its own lock makes it safe to share
};

}  // namespace zoft::inline ZOFT_ISA::nn
