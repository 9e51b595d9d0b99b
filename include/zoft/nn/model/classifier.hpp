/// A classification head of one's own over pooled states: softmax(Wx + b). Its parameters are a buffer of the user's,
/// which any tuner trains.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/candidates.hpp"
#include "../../core/layout.hpp"
#include "../kernel/matmul.hpp"
#include "../layer/cross_entropy.hpp"

namespace zoft::inline ZOFT_ISA::nn {

class classifier {
 public:
  classifier(std::size_t classes, std::size_t width) : classes_(classes), width_(width) {
    require(classes >= 2 && width >= 1, "classifier: there are " + text(classes) + " classes of " + text(width) +
                                            " numbers, and must be at least 2 of at least 1");
  }

  /// W (classes, width), then b (classes).
  zoft::layout layout() const {
    zoft::layout result;
    result.add("classifier.weight", classes_, width_);
    result.add("classifier.bias", classes_);
    return result;
  }
  std::size_t size() const { return classes_ * (width_ + 1); }  ///< numbers of the layout

  /// x (rows, width) -> logits (rows, classes)
  std::vector<float> logits(std::span<const float> parameters, std::span<const float> x) const {
    require(parameters.size() == size() && x.size() % width_ == 0,
            "classifier: there are " + text(parameters.size()) + " parameters and " + text(x.size()) +
                " numbers of states, and must be " + text(size()) + " and a multiple of " + text(width_));
    const std::size_t rows = x.size() / width_;
    std::vector<float> result(rows * classes_);
    matmul(rows_of<const float>{x.data(), width_}, rows, pack(parameters.first(classes_ * width_), classes_, width_),
           rows_of<float>{result.data(), classes_});
    for (std::size_t i = 0; i < result.size(); ++i) result[i] += parameters[classes_ * width_ + i % classes_];
    return result;
  }

  /// The mean of −ln p(label) over rows of states. Throws if a label is not a class.
  double loss(std::span<const float> parameters, std::span<const float> x, std::span<const std::int32_t> labels) const {
    return over_rows(parameters, x, labels, [](const token_score& score, std::int32_t) { return score.nll; });
  }
  /// The same at each of a tuner's candidates.
  void losses(candidates<float> c, std::span<const float> x, std::span<const std::int32_t> labels,
              std::span<double> losses) const {
    for (std::size_t i = 0; i < c.size(); ++i) losses[i] = loss(c[i], x, labels);
  }
  /// The share of rows whose label is the most probable class.
  double accuracy(std::span<const float> parameters, std::span<const float> x,
                  std::span<const std::int32_t> labels) const {
    return over_rows(parameters, x, labels,
                     [](const token_score& score, std::int32_t label) { return score.best == label ? 1.0 : 0.0; });
  }

 private:
  template <class F>
  double over_rows(std::span<const float> parameters, std::span<const float> x, std::span<const std::int32_t> labels,
                   F f) const {
    const std::vector<float> z = logits(parameters, x);
    require(labels.size() * classes_ == z.size() && !labels.empty(),
            "classifier: there are " + text(labels.size()) + " labels and " + text(z.size() / classes_) +
                " rows of states, and must be as many of each, and one at least");
    double sum = 0;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 0 || static_cast<std::size_t>(labels[i]) >= classes_)
        fail("classifier: label " + text(labels[i]) + " is none of the " + text(classes_) + " classes, from 0 on");
      sum += f(cross_entropy(std::span(z).subspan(i * classes_, classes_), static_cast<std::size_t>(labels[i])),
               labels[i]);
    }
    return sum / static_cast<double>(labels.size());
  }

  std::size_t classes_, width_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
