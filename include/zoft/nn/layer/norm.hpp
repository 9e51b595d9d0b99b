/// The norms of a model: the parameters of one, and its application to rows.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../../core/model_config.hpp"
#include "elementwise.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct norm {
  std::string name = {};         ///< as adapters use it
  std::vector<float> gain = {};  ///< empty: there is no such norm
  std::vector<float> bias = {};  ///< empty for RMSNorm
  std::size_t own_heads = 0;     ///< gains of so many heads, a tensor each, and a bias of 0 that is no tensor; 0: one

  bool empty() const { return gain.empty(); }
};

/// x (rows, gain) -> y (rows, gain). y may be x.
template <class Arch = simd::arch>
void normalise(norm_kind kind, std::span<const float> gain, std::span<const float> bias, double epsilon,
               std::span<const float> x, std::span<float> y) {
  const std::size_t width = gain.size();
  for (std::size_t at = 0; at < x.size(); at += width)
    if (kind == norm_kind::rms)
      rms_norm<Arch>(x.subspan(at, width), gain, epsilon, y.subspan(at, width));
    else
      layer_norm<Arch>(x.subspan(at, width), gain, bias, epsilon, y.subspan(at, width));
}

}  // namespace zoft::inline ZOFT_ISA::nn
