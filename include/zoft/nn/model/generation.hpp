/// How a text is continued: for how long, until which tokens, and by which of the probable ones.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/config.hpp"
#include "../../random/stream.hpp"
#include "../layer/cross_entropy.hpp"

namespace zoft::inline ZOFT_ISA::nn {

struct generation {
  std::size_t most = 64;                 ///< new tokens
  std::vector<std::int32_t> stops = {};  ///< tokens that end the text, and do not belong to it
  double temperature = 0;                ///< τ of p ∝ exp(logit/τ); 0: always the most probable token
  std::uint64_t seed = 0;                ///< names the draws: same seed, same text

  void check() const {
    require(temperature >= 0 && std::isfinite(temperature),
            "generate: the temperature is " + text(temperature) + ", and must be finite and not below 0");
  }
};

/// The next token: argmax of logitᵢ/τ − ln(−ln uᵢ), uᵢ uniform in (0, 1), which draws from p ∝ exp(logit/τ) (Gumbel
/// 1954). uᵢ is a function of the seed, of how many tokens were drawn before, and of i. −1 if a logit is NaN.
inline std::int32_t next_token(std::span<const float> logits, const generation& how, std::uint32_t drawn) {
  if (how.temperature == 0) return cross_entropy(logits, 0).best;
  std::int32_t best = -1;
  double greatest = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isnan(logits[i])) return -1;
    const std::uint32_t word = random::word({how.seed, drawn, 0}, random::stream::sampling, i);
    const double u = (word + 0.5) / 4294967296.0;
    const double score = logits[i] / how.temperature - std::log(-std::log(u));
    if (best < 0 || score > greatest) {
      greatest = score;
      best = static_cast<std::int32_t>(i);
    }
  }
  return best;
}

}  // namespace zoft::inline ZOFT_ISA::nn
