/// One vector for each sequence, made from the states of its tokens.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "../layer/elementwise.hpp"

namespace zoft::inline ZOFT_ISA::nn {

enum class pooling {
  first,   ///< the state of the first token, as BERT's [CLS]
  last,    ///< the state of the last token, which in a decoder has seen all others
  mean,    ///< the mean over all tokens
  pooler,  ///< tanh(Wx + b) of the first token's state, with the model's own W and b (Devlin et al. 2018,
           ///< arXiv:1810.04805)
};

/// The tokens [begin, end) whose states are pooled, of a sequence of n.
inline std::pair<std::size_t, std::size_t> pooled_tokens(pooling how, std::size_t n) {
  if (how == pooling::last) return {n - 1, n};
  return {0, how == pooling::mean ? n : 1};
}

/// The mean of x (rows, width) -> y (width)
inline void mean_of_rows(std::span<const float> x, std::span<float> y) {
  std::vector<double> sum(y.size());
  for (std::size_t i = 0; i < x.size(); ++i) sum[i % y.size()] += x[i];
  const double rows = static_cast<double>(x.size() / y.size());
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(sum[i] / rows);
}

/// x (rows, width): each row is divided by its length, as for cosine similarity. A row of zeros stays.
inline void normalise_lengths(std::span<float> x, std::size_t width) {
  for (std::size_t at = 0; at < x.size(); at += width) {
    const std::span<float> row = x.subspan(at, width);
    double square = 0;
    for (const float value : row) square += double{value} * value;
    if (square > 0)
      for (float& value : row) value = static_cast<float>(value / std::sqrt(square));
  }
}

}  // namespace zoft::inline ZOFT_ISA::nn
