#pragma once

#include <span>
#include <string>
#include <vector>

#include "../concepts.hpp"
#include "../core/layout.hpp"
#include "../engine/points/quantised_codes.hpp"

namespace zoft::inline ZOFT_ISA {

/// Trains 8-bit weights where they are, without a copy in a wider type. The user owns a buffer of std::int8_t codes.
/// Each row has a scale: w = scale·code. The functor is shown std::span<const std::int8_t>.
///
///     points     code ± round(εz/scale), within ±127, and back exactly
///     update     16·code + r ← 16·code + r + round(16·Δ/scale), Δ what the optimizer makes of w
///
/// The first rounding is random and unbiased, so that a direction has an effect even if ε is less than a code. That
/// costs variance; an ε of one or two scales is best. The second rounding carries its error: the residual r keeps 4
/// bits of what is less than a code. What is less than that is kept on average, by the same kind of rounding. (Changes
/// below 2⁻¹⁸ of a code are lost to float.) At a small rate, a logistic regression ends at a loss of 0.797 in float,
/// 0.795 with 4 bits of residual, 0.801 with 2 and 0.838 with none. Rounding to nearest, with none, hardly moves: 1.74.
///
/// Error feedback on codes is by Xu, Miikkulainen and Qiu 2026, arXiv:2602.03120 (Quantized Evolution Strategies). The
/// residual is stored in half a byte a parameter. The way back takes another bit a parameter, and two bytes for each
/// code that a limit cut off. Scales are not trained.
///
/// With a history h, the residual takes no memory. It is made again, bit for bit, from the changes of the applied steps
/// since it was last 0: at most h − 1 steps, whose directions are generated once more. In every h-th applied step it is
/// rounded into the code at random, without a bias. So a code forgets what it was owed once in h steps, and a change
/// must not depend on θ: the optimizer is sgd without decay, or another one that keeps nothing. (Xu et al. rebuild it
/// from a window too, approximately, as older steps drop out of theirs.)
///
/// The optimizer must take a piece of the weights at a time, and the sampler must not look at the weights.
struct quantised {
  zoft::layout layout = {};        ///< the buffer's matrices and vectors; not empty
  std::vector<float> scales = {};  ///< > 0, one for each row of each tensor, in order
  std::size_t history = 0;         ///< h: residuals are made again from fewer steps than these; 0 stores them

  using buffer = moved_buffer<quantised_codes>;

  void check() const {
    std::size_t rows = 0;
    for (const tensor& t : layout) rows += t.rows;
    require(rows > 0, "quantised: the layout is empty, and must have the tensors of the buffer");
    require(scales.size() == rows,
            "quantised: there are " + text(scales.size()) + " scales, and the layout has " + text(rows) + " rows");
    for (const float s : scales) require(s > 0 && s < 1e30f, "quantised", "a scale", s, "above 0");
  }
  template <class Optimizer>
  void check(const Optimizer& o) const {
    const std::string wanted = "quantised: history is " + text(history) + ", and must be 0 with an optimizer that ";
    if constexpr (!elementwise_optimizer<Optimizer>)
      require(history == 0, wanted + "keeps anything: its changes cannot be made again");
    else if constexpr (requires { o.decay; })
      require(history == 0 || o.decay == 0, wanted + "decays weights: changes would depend on them");
  }

  template <class Sampler, class Estimator, class, class Optimizer>
  static constexpr void compose() {
    static_assert(stateless_sampler<Sampler>, "quantised: the sampler looks at the weights, and these are codes");
    static_assert(dense_optimizer<Optimizer> || replaying_optimizer<Optimizer>,
                  "quantised: the optimizer must take a piece of the weights at a time");
    static_assert(!finishing_optimizer<Optimizer>,
                  "quantised: the optimizer goes over the weights once more, and these are codes");
    static_assert(
        !requires(Optimizer o, std::span<const float> x, const zoft::layout& shape) {
          o.template start<float>(x, shape);
        } || requires(Optimizer o, std::size_t size) { o.template resize<float>(size); },
        "quantised: the optimizer looks at the weights when it starts, and these are codes: it must have resize<A>(n), "
        "too");
    static_assert(!tangent_estimator<Estimator>, "quantised: codes carry no derivatives");
  }
};

}  // namespace zoft::inline ZOFT_ISA
