#pragma once

#include <span>
#include <vector>

#include "../concepts.hpp"
#include "../core/layout.hpp"
#include "../engine/points/quantised_codes.hpp"

namespace zoft::inline ZOFT_ISA {

/// Weights of 8 bits are trained where they are, without a copy in a wider type. The buffer that the user owns is of
/// std::int8_t, w = scale·code, with a scale for each row; the functor is shown std::span<const std::int8_t>.
///
///     points     code ± round(εz/scale), within ±127, and back exactly
///     update     16·code + r ← 16·code + r + round(16·Δ/scale), Δ what the optimizer makes of w
///
/// The first rounding is random and unbiased, so that a direction is seen also where ε is less than a code; that costs
/// variance, and ε of one scale or two is best. The second carries its error: of what is less than a code the residual
/// r keeps 4 bits, and what is less than that is kept on average, by the same kind of rounding. (Changes below 2⁻¹⁸ of
/// a code are lost to float.) A logistic regression at a small rate ends at 0.797 in float, at 0.795 with 4 bits, 0.801
/// with 2 and 0.838 without any; rounding to nearest without any, at 1.74, hardly moves.
///
/// Error feedback on codes is by Xu, Miikkulainen and Qiu 2026, arXiv:2602.03120 (Quantized Evolution Strategies), who
/// make the residual again from earlier steps; here it is half a byte a parameter. Besides there are a bit a parameter,
/// and a byte for each code that a limit has cut off. Scales stay as they are.
///
/// It is for optimizers that see a piece at a time, and samplers that need not see the weights.
struct quantised {
  zoft::layout layout = {};        ///< which matrices and vectors the buffer consists of; not empty
  std::vector<float> scales = {};  ///< > 0, of each row of each tensor, in their order

  using buffer = moved_buffer<quantised_codes>;

  void check() const {
    std::size_t rows = 0;
    for (const tensor& t : layout) rows += t.rows;
    require(rows > 0, "quantised: the layout is empty, and must have the tensors of the buffer");
    require(scales.size() == rows,
            "quantised: there are " + text(scales.size()) + " scales, and the layout has " + text(rows) + " rows");
    for (const float s : scales) require(s > 0 && s < 1e30f, "quantised", "a scale", s, "above 0");
  }

  template <class Sampler, class Estimator, class, class Optimizer>
  static constexpr void compose() {
    static_assert(stateless_sampler<Sampler>, "quantised: the sampler looks at the weights, and these are codes");
    static_assert(dense_optimizer<Optimizer> || replaying_optimizer<Optimizer>,
                  "quantised: the optimizer must take a piece of the weights at a time");
    static_assert(
        !requires(Optimizer o, std::span<float> x) { o.template finish<float>(x); },
        "quantised: the optimizer goes over the weights once more, and these are codes");
    static_assert(!tangent_estimator<Estimator>, "quantised: codes carry no derivatives");
  }
};

}  // namespace zoft::inline ZOFT_ISA
