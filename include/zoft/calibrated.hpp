#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/config.hpp"
#include "core/direction.hpp"
#include "core/low_rank.hpp"
#include "core/observations.hpp"
#include "engine/directions/principal_inputs.hpp"

namespace zoft::inline ZOFT_ISA {

/// What lora and lora_fa may begin with: for each linear that was shown, B = 0 and A the r principal directions of its
/// inputs, of length 1/√3, which is what a random A has on average.
///
///     A = Qᵀ/√3        Q (in, r): leading eigenvectors of XᵀX, by orthogonal iteration from gaussians of `run`
///
/// LoRA-FA never leaves the span of A, so A should be where inputs are. Such a basis, made once, is that of ZO-Act: see
/// zo_act. Throws if there are fewer rows than r, or if r is greater than a side of a linear.
inline std::vector<low_rank_values> calibrated(const observations& seen, std::size_t rank, seed run = {}) {
  constexpr std::size_t iterations = 8;
  require(rank >= 1 && rank <= seen.slots(), "calibrated: rank is " + text(rank) + ", and must be from 1 to the " +
                                                 text(seen.slots()) + " rows that were shown");
  std::vector<low_rank_values> result;
  for (const observations::entry& e : seen.entries()) {
    for (const observations::part& p : e.parts)
      require(rank <= e.in && rank <= p.out,
              "calibrated: rank is " + text(rank) + ", and '" + p.name + "' is " + text(p.out) + " by " + text(e.in));
    const direction d{run.value, 0, static_cast<std::uint32_t>(result.size())};
    const std::vector<double> q = principal_inputs(seen, e, rank, d, iterations);
    std::vector<float> a;
    for (const double value : q) a.push_back(static_cast<float>(value / std::sqrt(3.0)));
    for (const observations::part& p : e.parts) result.push_back({p.name, a, std::vector<float>(p.out * rank)});
  }
  return result;
}

}  // namespace zoft::inline ZOFT_ISA
